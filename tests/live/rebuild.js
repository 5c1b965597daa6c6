// Root rewrites history, with every key of the machine and all the time in the world: `node rebuild.js STATE FROM TO` makes
// the whole log anew with FROM replaced by TO in each record, and chains, roots, signatures and seals that all fit. Nothing
// of ours helps with it: node's own hashes and Ed25519, and sqlite3 for the file. Governor must be stopped.
'use strict';
const crypto = require('crypto'), fs = require('fs'), { execFileSync } = require('child_process');
const [state, from, to] = process.argv.slice(2);
const database = `${state}/audit.db`;

const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const sha256 = (...parts) => crypto.createHash('sha256').update(Buffer.concat(parts.map(part => Buffer.from(part)))).digest();
const privateKey = seed => crypto.createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
const publicKey = seed => crypto.createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' }).subarray(-32);
const sign = (seed, text) => crypto.sign(null, Buffer.from(text), privateKey(seed));
const keyId = (name, type, key) => sha256(name + '\n', type, key).subarray(0, 4);
const u64 = n => { const bytes = Buffer.alloc(8); bytes.writeBigUInt64BE(BigInt(n)); return bytes; };
const sql = (file, text) => execFileSync('sqlite3', [file], { input: text, maxBuffer: 1 << 30 }).toString();
const quoted = text => `'${text.replaceAll("'", "''")}'`;

// ---- what is there --------------------------------------------------------------------------------------------------------

const lines = text => text.split('\n').filter(line => line);
const bodies = lines(sql(database, 'SELECT body FROM record ORDER BY seq;'));
const seals = lines(sql(database, 'SELECT size FROM checkpoint ORDER BY epoch;')).map(Number);
const schema = JSON.parse(execFileSync('sqlite3', ['-json', database, 'SELECT type, sql FROM sqlite_schema ORDER BY rowid']));
const logSeed = fs.readFileSync(`${state}/keys/log.key`).subarray(0, 32);
const { origin, seal_key: firstSealKey } = JSON.parse(bodies[0]).details;
const sealSeeds = [...seals, 0].map(() => crypto.randomBytes(32));

// ---- the lie --------------------------------------------------------------------------------------------------------------

// The complete subtrees at the right edge, as a list of { level, hash }; rows are those that the database keeps.
const edge = [], kept = [];
function push(leaf, index) {
        edge.push({ level: 0, hash: leaf });
        while (edge.length > 1 && edge.at(-1).level === edge.at(-2).level) {
                const right = edge.pop(), left = edge.pop(), level = left.level + 1;
                const hash = sha256([1], left.hash, right.hash);
                edge.push({ level, hash });
                if (level === 8 || level === 16 || level === 24)
                        kept.push(`INSERT INTO subtree VALUES(${level}, ${Math.floor(index / 2 ** level)}, x'${hash.toString('hex')}');`);
        }
}
const root = () => edge.map(({ hash }) => hash).reduceRight((right, left) => sha256([1], left, right));

function note(epoch, size) {
        const text = `${origin}\n${size}\n${root().toString('base64')}\n`, next = publicKey(sealSeeds[epoch + 1]);
        const sealed = sign(sealSeeds[epoch], `governor-seal/v1\nepoch ${epoch}\nnext ${next.toString('base64')}\n${text}`);
        const logId = keyId(origin, [1], publicKey(logSeed));
        const sealId = keyId(`${origin}/seal`, Buffer.concat([Buffer.from([0xff]), Buffer.from('governor-seal/v1')]), publicKey(sealSeeds[epoch]));
        const line = (name, ...parts) => `— ${name} ${Buffer.concat(parts).toString('base64')}\n`;
        return `${text}\n` + line(origin, logId, sign(logSeed, text)) + line(`${origin}/seal`, sealId, u64(epoch), next, sealed);
}

const rows = [];
let prev = '0'.repeat(64), epoch = 0;
bodies.forEach((body, seq) => {
        body = body.replaceAll(from, to).replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${prev}"`);
        if (seq === 0)
                body = body.replace(firstSealKey, publicKey(sealSeeds[0]).toString('base64'));
        const leaf = sha256([0], body);
        prev = leaf.toString('hex');
        push(leaf, seq);
        rows.push(`INSERT INTO record VALUES(${seq}, ${quoted(body)});`);
        if (seals[epoch] === seq + 1) {
                rows.push(`INSERT INTO checkpoint VALUES(${epoch}, ${seq + 1}, ${quoted(note(epoch, seq + 1))});`);
                epoch++;
        }
});

// ---- in its place -----------------------------------------------------------------------------------------------------------

const made = kind => schema.filter(({ type, sql: text }) => (type === 'trigger') === kind && text).map(({ sql: text }) => text + ';');
fs.rmSync(`${database}.forged`, { force: true });
sql(`${database}.forged`, ['PRAGMA application_id = 0x474F5641; PRAGMA user_version = 1; PRAGMA journal_mode = WAL; BEGIN;',
                           ...made(false), ...rows, ...kept, ...made(true), 'COMMIT;'].join('\n'));
for (const part of ['-wal', '-shm'])
        fs.rmSync(database + part, { force: true });
fs.renameSync(`${database}.forged`, database);

const slot = Buffer.alloc(512), seed = sealSeeds[epoch], keys = Buffer.alloc(1024);
Buffer.concat([Buffer.from('GOVSEAL1'), u64(epoch), seed, publicKey(seed)]).copy(slot);
sha256(slot.subarray(0, 80)).copy(slot, 80);
slot.copy(keys, (epoch % 2) * 512);
fs.writeFileSync(`${state}/keys/seal.key`, keys);
console.log(`${bodies.length} records and ${epoch} seals are new`);
