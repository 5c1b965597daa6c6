// A PM2 daemon that lies: `node strangers.js HOME MANNER`, in the sockets and frames of the real one.
'use strict';
const modules = '/opt/pm2-7.0.4/node_modules/pm2/modules/';
const axon = require(modules + 'pm2-axon'), rpc = require(modules + 'pm2-axon-rpc');
const fs = require('fs'), net = require('net'), { spawn } = require('child_process');
const [home, manner] = process.argv.slice(2);

fs.mkdirSync(home, { recursive: true });
for (const name of ['pub.sock', 'rpc.sock'])
        fs.rmSync(`${home}/${name}`, { force: true });

const row = (id, name, pid, more) => ({
        pid, name, pm_id: id, monit: {},
        pm2_env: { status: 'online', restart_time: 0, exec_mode: 'fork_mode', kill_timeout: 1600, pm_id: id, name, ...more },
});

function apps() {
        if (manner === 'many')
                return Array.from({ length: 10000 }, (_, i) => row(i, `app-${i}`, 0, { restart_time: i }));
        const victims = fs.existsSync('/srv/victims') ? fs.readFileSync('/srv/victims', 'utf8').trim().split(/\s+/) : [];
        return [
                ...victims.map((pid, i) => row(i, `claims-${pid}`, Number(pid))),
                row(100, '../root/lily', 0), row(101, 'x'.repeat(300) + 'a', 0), row(102, 'x'.repeat(300) + 'b', 0),
                row(103, 'quote"\n\x1b[31m\x00line', 0), row(104, 'lily@/root/.pm2', 0), row(105, 'ok', 0, { status: 'errored' }),
                row(106, 'twin', 0), row(107, 'twin', 0), row(108, '', 0), row(109, 'é'.repeat(63) + 'é', 0),
        ];
}

if (manner === 'flood' || manner === 'hangup') { // no frames at all: a gigabyte, or nothing
        const junk = Buffer.alloc(1 << 20, 'x');
        const serve = (socket) => {
                socket.on('error', () => {});
                if (manner === 'hangup')
                        return socket.end();
                let sent = 0;
                const more = () => { while (sent++ < 1024 && socket.write(frame(junk))); };
                socket.on('drain', more);
                more();
        };
        const frame = (data) => Buffer.concat([Buffer.from([0x12]), size(8), Buffer.from('s:log:ou'), size(data.length), data]);
        const size = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
        net.createServer(serve).listen(`${home}/pub.sock`);
        net.createServer(serve).listen(`${home}/rpc.sock`);
} else {
        const pub = axon.socket('pub-emitter'), rep = axon.socket('rep');
        pub.bind(`${home}/pub.sock`);
        rep.bind(`${home}/rpc.sock`);
        new rpc.Server(rep).expose({
                getMonitorData: (_, done) => done(null, apps()),
                ping: (_, done) => done(null, { msg: 'pong' }),
                stopProcessId: (id, done) => { fs.appendFileSync(`${home}/orders`, `stop ${id}\n`); done(null, {}); },
                restartProcessId: (id, done) => { fs.appendFileSync(`${home}/orders`, `restart ${JSON.stringify(id)}\n`); done(null, {}); },
        });
        let n = 0;
        const event = (what, status) => pub.emit('process:event', {
                event: what, manually: false, at: Date.now(),
                process: { ...row(105, 'ok', 0).pm2_env, status, restart_time: n, pm_id: 105, pm_uptime: Date.now(), exit_code: 1 } });
        if (manner === 'events')
                setInterval(() => { for (let i = 0; i < 50; i++) { event('exit', 'waiting restart'); n++; event('online', 'online'); } }, 10);
        if (manner === 'lines')
                setInterval(() => { for (let i = 0; i < 50; i++) pub.emit('log:out', { process: { pm_id: 105, name: 'ok' }, data: 'y'.repeat(200), at: Date.now() }); }, 10);
}
