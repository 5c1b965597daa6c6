// The forger's hand: `node forge.js STATE DOING...` changes a copy of a log as one can who has the file and the keys of now.
//   rechain FROM      every record from there on carries the hash of the one before it; the subtrees fit again
//   reseal EPOCH      every checkpoint from there on says the root that the records now make, signed with the stolen log key and
//                     sealed with the stolen key where it is of that epoch, with new ones where it is not; seal.key follows
//   root EPOCH        that checkpoint alone says another root, signed with the stolen log key and sealed with a key of our own
//   extend N          N records more and a checkpoint, as the daemon would write them that has these keys
//   prune TO          the records before TO are taken out, with a record of their archiving that these keys seal
//   sql TEXT          with the triggers out of the way, which come back as they were
// Nothing of ours helps with it: node's hashes and Ed25519, and sqlite3 for the file.
'use strict';
const crypto = require('crypto'), fs = require('fs'), { execFileSync } = require('child_process');
const [state, ...doings] = process.argv.slice(2), database = `${state}/audit.db`;

const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const sha256 = (...parts) => crypto.createHash('sha256').update(Buffer.concat(parts.map(part => Buffer.from(part)))).digest();
const privateKey = seed => crypto.createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
const publicKey = seed => crypto.createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' }).subarray(-32);
const sign = (seed, text) => crypto.sign(null, Buffer.from(text), privateKey(seed));
const keyId = (name, type, key) => sha256(name + '\n', type, key).subarray(0, 4);
const SEAL = Buffer.concat([Buffer.from([0xff]), Buffer.from('governor-seal/v1')]);
const u64 = n => { const bytes = Buffer.alloc(8); bytes.writeBigUInt64BE(BigInt(n)); return bytes; };
const hex = text => `CAST(x'${Buffer.from(text).toString('hex')}' AS TEXT)`;

// ---- the file -----------------------------------------------------------------------------------------------------------------

const ask = sql => JSON.parse(execFileSync('sqlite3', ['-json', database, sql], { maxBuffer: 1 << 30 }).toString() || '[]');
function forge(sql) {
        const triggers = ask("SELECT name, sql FROM sqlite_schema WHERE type='trigger' ORDER BY rowid");
        execFileSync('sqlite3', ['-bail', database], { input: ['BEGIN;', ...triggers.map(({ name }) => `DROP TRIGGER ${name};`), sql, ';',
                                                               ...triggers.map(one => one.sql + ';'), 'COMMIT;'].join('\n') });
}

const bodies = () => ask('SELECT hex(body) AS hex FROM record ORDER BY seq').map(one => Buffer.from(one.hex, 'hex').toString());

// RFC 6962's MTH of the first n of the leaves.
function treeHash(leaves, from, to) {
        if (to - from === 1) return leaves[from];
        let half = 1;
        while (half * 2 < to - from) half *= 2;
        return sha256([1], treeHash(leaves, from, from + half), treeHash(leaves, from + half, to));
}

function subtrees(leaves) {
        const rows = ['DELETE FROM subtree;'];
        for (const level of [8, 16])
                for (let i = 0; (i + 1) * 2 ** level <= leaves.length; i++)
                        rows.push(`INSERT INTO subtree VALUES(${level}, ${i}, x'${treeHash(leaves, i * 2 ** level, (i + 1) * 2 ** level).toString('hex')}');`);
        return rows;
}

// ---- keys and seals -------------------------------------------------------------------------------------------------------------

const logSeed = () => fs.readFileSync(`${state}/keys/log.key`).subarray(0, 32);

// The stolen key, newest first: { epoch, seed }.
function stolen() {
        const bytes = fs.readFileSync(`${state}/keys/seal.key`);
        return [0, 512].map(at => bytes.subarray(at, at + 512)).filter(slot => slot.subarray(0, 8).toString('latin1') === 'GOVSEAL1')
                .map(slot => ({ epoch: Number(slot.readBigUInt64BE(8)), seed: slot.subarray(16, 48) })).sort((a, b) => b.epoch - a.epoch)[0];
}

function keepKey(epoch, seed) {
        const slot = Buffer.alloc(512), keys = Buffer.alloc(1024);
        Buffer.concat([Buffer.from('GOVSEAL1'), u64(epoch), seed, publicKey(seed)]).copy(slot);
        sha256(slot.subarray(0, 80)).copy(slot, 80);
        slot.copy(keys, (epoch % 2) * 512);
        fs.writeFileSync(`${state}/keys/seal.key`, keys);
}

function note(origin, epoch, size, root, seed, next) {
        const text = `${origin}\n${size}\n${root.toString('base64')}\n`, line = (name, ...parts) => `— ${name} ${Buffer.concat(parts).toString('base64')}\n`;
        const message = `governor-seal/v1\nepoch ${epoch}\nnext ${publicKey(next).toString('base64')}\n${text}`;
        return `${text}\n` + line(origin, keyId(origin, [1], publicKey(logSeed())), sign(logSeed(), text)) +
                line(`${origin}/seal`, keyId(`${origin}/seal`, SEAL, publicKey(seed)), u64(epoch), publicKey(next), sign(seed, message));
}

// ---- doings -----------------------------------------------------------------------------------------------------------------------

const doing = {
        sql: forge,

        rechain(from) {
                let prev = '0'.repeat(64);
                const leaves = [], rows = [];
                bodies().forEach((body, seq) => {
                        if (seq >= Number(from)) {
                                body = body.replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${prev}"`);
                                rows.push(`UPDATE record SET body=${hex(body)} WHERE seq=${seq};`);
                        }
                        leaves.push(sha256([0], body));
                        prev = leaves.at(-1).toString('hex');
                });
                forge([...rows, ...subtrees(leaves)].join('\n'));
        },

        reseal(from) {
                const { origin } = JSON.parse(bodies()[0]).details, leaves = bodies().map(body => sha256([0], body)), key = stolen();
                const seals = ask(`SELECT epoch, size FROM checkpoint WHERE epoch>=${from} ORDER BY epoch`);
                let seed = key.epoch === Number(from) ? key.seed : crypto.randomBytes(32);
                forge(seals.map(({ epoch, size }) => {
                        const next = crypto.randomBytes(32), text = note(origin, epoch, size, treeHash(leaves, 0, size), seed, next);
                        seed = next;
                        return `UPDATE checkpoint SET note=${hex(text)} WHERE epoch=${epoch};`;
                }).join('\n'));
                keepKey(seals.at(-1).epoch + 1, seed);
        },

        root(epoch) {
                const [{ hex: text }] = ask(`SELECT hex(note) AS hex FROM checkpoint WHERE epoch=${epoch}`), [origin, size] = Buffer.from(text, 'hex').toString().split('\n');
                const forged = note(origin, Number(epoch), size, crypto.randomBytes(32), crypto.randomBytes(32), crypto.randomBytes(32));
                forge(`UPDATE checkpoint SET note=${hex(forged)} WHERE epoch=${epoch}`);
        },

        extend(n, last = body => body) {
                const all = bodies(), { origin } = JSON.parse(all[0]).details, key = stolen(), next = crypto.randomBytes(32), rows = [];
                const leaves = all.map(body => sha256([0], body));
                for (let i = 0; i < Number(n); i++) {
                        const seq = leaves.length, like = i === n - 1 ? last(all.at(-1)) : all.at(-1);
                        const body = like.replace(/"prev":"[0-9a-f]{64}","seq":\d+/, `"prev":"${leaves.at(-1).toString('hex')}","seq":${seq}`);
                        rows.push(`INSERT INTO record VALUES(${seq}, ${hex(body)});`);
                        leaves.push(sha256([0], body));
                }
                const text = note(origin, key.epoch, leaves.length, treeHash(leaves, 0, leaves.length), key.seed, next);
                forge([...rows, ...subtrees(leaves), `INSERT INTO checkpoint VALUES(${key.epoch}, ${leaves.length}, ${hex(text)});`].join('\n'));
                keepKey(key.epoch + 1, next);
        },

        prune(to) {
                doing.extend(1, body => body.replace(/"action":"[^"]*"/, '"action":"audit.archive"')
                        .replace(/"details":.*,"incident"/, `"details":{"file":"old","from":1,"sha256":"${'0'.repeat(64)}","to":${to}},"incident"`));
                forge(`DELETE FROM record WHERE seq BETWEEN 1 AND ${to - 1};`);
        },
};

for (let i = 0; i < doings.length; i += 2)
        doing[doings[i]](doings[i + 1]);
