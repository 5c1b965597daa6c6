// Agents whose memory behaves in one way each; their time is told to them, a line on the standard input for each 75 seconds
// of it, and each line is answered when what belongs to that time is done. The garbage is V8's own to collect.
const { spawn } = require('child_process');

const MB = 1 << 20;
const full = (megabytes) => Buffer.alloc(megabytes * MB, 1);
const kept = [];
let child = null;

// What every agent does all the time: strings and objects that nobody needs a moment later.
function work() {
        let rubbish = [];
        for (let i = 0; i < 4000; i++) rubbish.push({ text: 'x'.repeat(50 + (i % 50)), at: i, of: [i, i + 1] });
        return JSON.stringify(rubbish).length;
}

const natures = {
        // Two megabytes each ten minutes, for ever.
        leak: (tick) => { if (tick % 8 === 0) kept.push(full(2)); },
        // A megabyte more each time, and all of it let go after 50 minutes.
        sawtooth: () => { kept.push(full(1)); if (kept.length >= 40) kept.length = 0; },
        // 60 more megabytes from the beginning on, and 140 on top after ten hours.
        jump: (tick) => { if (tick === 1) kept.push(full(20)); if (tick === 480) kept.push(full(140)); },
        // Grows by 80 MB, half of it in the first half an hour, and less and less.
        'warm-up': (tick) => { const wanted = Math.floor(80 * (1 - Math.exp(-tick / 36))); while (kept.length < wanted) kept.push(full(1)); },
        // A child that holds 200 MB, for 75 seconds, every two hours.
        child: (tick, done) => {
                if (child) { child.kill('SIGKILL'); child = null; }
                if (tick % 96 !== 50) return done();
                child = spawn(process.execPath, ['-e', 'const b = Buffer.alloc(200 << 20, 1); console.log("ready"); setInterval(() => b, 1 << 30)']);
                child.stdout.once('data', done);
        },
        // A life like the others ...
        usual: (tick) => { if (tick === 1) kept.push(full(20)); },
        // ... and one that holds 140 MB more from its beginning.
        large: (tick) => { if (tick === 1) kept.push(full(160)); },
};

const nature = natures[process.argv[2]];
let tick = 0, rest = '';

process.stdin.on('data', (data) => {
        const lines = (rest + data).split('\n');
        rest = lines.pop();
        for (const _ of lines) {
                const answer = () => process.stdout.write('\n');
                work();
                if (nature.length > 1) nature(++tick, answer);
                else { nature(++tick); answer(); }
        }
});
process.stdin.on('end', () => { if (child) child.kill('SIGKILL'); process.exit(0); });
