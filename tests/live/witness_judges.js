// What the witness of these tests says to the vectors: it must be right before it is used to judge others.
'use strict';
const assert = require('assert'), fs = require('fs');
const { addCheckpoint, isConsistent } = require('./witness.js');
const vectors = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const hex = text => Buffer.from(text, 'hex');
const roots = Object.fromEntries(vectors.roots.map(({ size, root }) => [size, hex(root)]));

for (const { from, to, proof } of vectors.consistency) {
        const hashes = proof.map(hex);
        assert(isConsistent(from, roots[from], to, roots[to], hashes), `${from} to ${to}`);
        if (from === to)
                continue;
        assert(!isConsistent(from, roots[from], to, roots[to], [...hashes, roots[from]]), `${from} to ${to}: too long`);
        assert(!isConsistent(from, roots[from], to, roots[to], hashes.slice(1)), `${from} to ${to}: too short`);
        assert(!isConsistent(from, roots[to], to, roots[to], hashes), `${from} to ${to}: another old root`);
        assert(!isConsistent(from, roots[from], to, roots[from], hashes), `${from} to ${to}: another new root`);
        for (const hash of hashes) {
                hash[7] ^= 1;
                assert(!isConsistent(from, roots[from], to, roots[to], hashes), `${from} to ${to}: a flipped bit`);
                hash[7] ^= 1;
        }
}

const body = vectors.witness.add_checkpoint_body, origin = vectors.origin;
const known = (size, more) => ({
        name: 'w.example', seed: '00'.repeat(32),
        logs: { [origin]: { keys: [vectors.log_vkey], size, root: size ? roots[size].toString('base64') : '' } }, ...more,
});
const status = (state, text) => {
        try {
                return addCheckpoint(state, text).startsWith('— w.example ') ? 200 : 0;
        } catch (error) {
                return error.status || error;
        }
};
const first = body.replace(/^old 4\n[^]*?\n\n/, 'old 0\n\n'), state = known(4);
assert.equal(status(state, body), 200);
assert.equal(state.logs[origin].size, 10);
assert.equal(status(state, body), 409);
assert.equal(status(state, first.replace('old 0', 'old 10')), 200); // the same again
assert.equal(status(known(0), first), 200);
assert.equal(status(known(0), body), 409);
assert.equal(status(known(5), body), 409);
assert.equal(status(known(0, { logs: {} }), first), 404);
assert.equal(status(known(0), first.replace('old 0', 'old 11')), 400);
assert.equal(status(known(0), first.replace('old 0', 'old 00')), 400);
assert.equal(status(known(0), first.replace('FugC8K4B', 'FugC8K4C')), 403);
assert.equal(status(known(0), first.replace('\n10\n', '\n11\n')), 403);
assert.equal(status(known(4), body.replace('72FzjXjN', '72FzjXjM')), 422);
const forked = known(4);
forked.logs[origin].root = roots[5].toString('base64');
assert.equal(status(forked, body), 422);
const other = known(10);
other.logs[origin].root = roots[9].toString('base64');
assert.equal(status(other, first.replace('old 0', 'old 10')), 409);
console.log('all as the specification says');
