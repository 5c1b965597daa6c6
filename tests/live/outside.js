// A second opinion on an audit log: `node outside.js --db F [--key SEAL.KEY] [--anchors FILE] [--at TIME] [--max-age SECONDS]`
// prints {"exit":N,"codes":[...]}. Written from the text of governor-audit(5) alone; it shares no code with Governor, only node's
// hashes and signatures and the sqlite3 command. `node outside.js --jsonl F --checkpoints F` reads an export.
'use strict';
const crypto = require('crypto'), fs = require('fs'), os = require('os'), path = require('path');
const { execFileSync, spawnSync } = require('child_process');

const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const sha256 = (...parts) => crypto.createHash('sha256').update(Buffer.concat(parts.map(part => Buffer.from(part)))).digest();
const verifies = (key, text, signature) => {
        try {
                return crypto.verify(null, Buffer.from(text), crypto.createPublicKey({ key: Buffer.concat([SPKI, key]), format: 'der', type: 'spki' }), signature);
        } catch {
                return false;
        }
};
const keyId = (name, type, key) => sha256(name + '\n', type, key).subarray(0, 4);
const SEAL = Buffer.concat([Buffer.from([0xff]), Buffer.from('governor-seal/v1')]);
// base64 in its one form, or null
const bytesOf = (text, length) => {
        const bytes = Buffer.from(text, 'base64');
        return bytes.toString('base64') === text && (length === undefined || bytes.length === length) ? bytes : null;
};

const SCHEMA = `
CREATE TABLE record(seq INTEGER PRIMARY KEY CHECK(seq>=0), body TEXT NOT NULL) STRICT
CREATE TABLE checkpoint(epoch INTEGER PRIMARY KEY CHECK(epoch>=0), size INTEGER NOT NULL, note TEXT NOT NULL) STRICT
CREATE TABLE subtree(level INTEGER, idx INTEGER, hash BLOB NOT NULL, PRIMARY KEY(level,idx)) STRICT, WITHOUT ROWID
CREATE TABLE cosig(size INTEGER, line TEXT, PRIMARY KEY(size,line)) STRICT, WITHOUT ROWID
CREATE TRIGGER record_next BEFORE INSERT ON record WHEN NEW.seq<>(SELECT coalesce(max(seq)+1,0) FROM record) BEGIN SELECT RAISE(ABORT,'append-only'); END
CREATE TRIGGER subtree_next BEFORE INSERT ON subtree WHEN EXISTS(SELECT 1 FROM subtree WHERE level=NEW.level AND idx=NEW.idx) BEGIN SELECT RAISE(ABORT,'append-only'); END
CREATE TRIGGER cosig_next BEFORE INSERT ON cosig WHEN EXISTS(SELECT 1 FROM cosig WHERE size=NEW.size AND line=NEW.line) BEGIN SELECT RAISE(ABORT,'append-only'); END
CREATE TRIGGER checkpoint_next BEFORE INSERT ON checkpoint WHEN NEW.epoch<>(SELECT coalesce(max(epoch)+1,0) FROM checkpoint) BEGIN SELECT RAISE(ABORT,'append-only'); END
${['record', 'checkpoint', 'subtree', 'cosig'].flatMap(table => ['update', 'delete'].map(verb =>
        `CREATE TRIGGER ${table}_no_${verb} BEFORE ${verb.toUpperCase()} ON ${table} BEGIN SELECT RAISE(ABORT,'append-only'); END`)).join('\n')}
`.trim().split('\n');

// ---- findings ---------------------------------------------------------------------------------------------------------------

const EXITS = { UNSEALED_TAIL: 7, STALE: 7, NO_ANCHOR: 7, ANCHOR_PRUNED: 7, NO_SEAL: 7, IO: 1, CORRUPT: 1, VERSION: 1, EMPTY: 1, NOT_FOUND: 5 };
const found = new Set();
const say = code => { found.add(code); };
function end() {
        const exits = [...found].map(code => EXITS[code] ?? 3);
        const exit = [3, 1, 5, 7].find(one => exits.includes(one)) ?? 0;
        console.log(JSON.stringify({ exit, codes: [...found].sort() }));
        process.exit();
}

// ---- canonical records --------------------------------------------------------------------------------------------------------

const MEMBERS = ['action', 'actor', 'boot', 'details', 'incident', 'mono', 'outcome', 'prev', 'seq', 'subject', 'ts', 'v'];
const SHORT = { '"': '\\"', '\\': '\\\\', '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r' };
const quote = text => '"' + text.replace(/["\\\u0000-\u001f]/g, c => SHORT[c] ?? '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0')) + '"';

// The canonical text of a value; throws when there is none in our profile.
function canonical(value, depth = 1) {
        if (depth > 9) throw new Error('too deep');
        if (value === null || typeof value === 'boolean') return String(value);
        if (typeof value === 'string') {
                if (value.includes('\0') || !value.isWellFormed()) throw new Error('string');
                return quote(value);
        }
        if (typeof value === 'number') {
                if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new Error('number');
                return String(value);
        }
        if (depth > 8) throw new Error('too deep');
        if (Array.isArray(value)) return '[' + value.map(one => canonical(one, depth + 1)).join(',') + ']';
        return '{' + Object.keys(value).sort().map(key => {
                if (!/^[a-z0-9_]{1,32}$/.test(key)) throw new Error('key');
                return quote(key) + ':' + canonical(value[key], depth + 1);
        }).join(',') + '}';
}

// The record if these bytes are one in its canonical form, else null.
function recordOf(bytes) {
        try {
                const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), record = JSON.parse(text);
                const good = bytes.length <= 65535 && canonical(record) === text && Object.keys(record).join() === MEMBERS.join() &&
                        record.v === 1 && /^[0-9a-f]{64}$/.test(record.prev) && /^[0-9a-f]{32}$/.test(record.boot) &&
                        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(record.ts) && record.seq >= 0 && record.mono >= 0 &&
                        ['pending', 'ok', 'fail', 'denied', 'unknown', 'info'].includes(record.outcome) &&
                        ['action', 'actor', 'incident', 'subject'].every(name => typeof record[name] === 'string') &&
                        record.details !== null && typeof record.details === 'object' && !Array.isArray(record.details);
                return good ? record : null;
        } catch {
                return null;
        }
}

// ---- notes --------------------------------------------------------------------------------------------------------------------

function noteOf(text) {
        const at = text.indexOf('\n\n');
        if (at < 0 || !text.endsWith('\n')) return null;
        const body = text.slice(0, at + 1), lines = body.slice(0, -1).split('\n');
        const root = lines.length === 3 && bytesOf(lines[2], 32);
        if (!root || !/^(0|[1-9]\d*)$/.test(lines[1]) || !/^[!-*,-~]+$/.test(lines[0])) return null;
        const note = { text: body, origin: lines[0], size: Number(lines[1]), root, signatures: [], seals: [] };
        const rest = text.slice(at + 2);
        if (!rest) return null;
        for (const line of rest.slice(0, -1).split('\n')) {
                const match = /^— ([^ +]+) ([A-Za-z0-9+/=]+)$/.exec(line), bytes = match && bytesOf(match[2]);
                if (!bytes || bytes.length < 5) return null;
                const signature = { name: match[1], id: bytes.subarray(0, 4), bytes: bytes.subarray(4) };
                if (signature.name === `${note.origin}/seal`) note.seals.push(signature);
                else note.signatures.push(signature);
        }
        if (note.seals.length === 1 && note.seals[0].bytes.length === 104) {
                const seal = note.seals[0];
                Object.assign(note, { epoch: Number(seal.bytes.readBigUInt64BE(0)), next: seal.bytes.subarray(8, 40), seal: seal.bytes.subarray(40), sealId: seal.id });
        } else if (note.seals.length > 0) return null;
        return note;
}

const logSigned = (note, key) => {
        const ours = note.signatures.filter(one => one.name === note.origin && one.id.equals(keyId(note.origin, [1], key)));
        return ours.length > 0 && ours.every(one => verifies(key, note.text, one.bytes));
};
const sealed = (note, key) => note.sealId.equals(keyId(`${note.origin}/seal`, SEAL, key)) &&
        verifies(key, `governor-seal/v1\nepoch ${note.epoch}\nnext ${note.next.toString('base64')}\n${note.text}`, note.seal);

// ---- the tree -----------------------------------------------------------------------------------------------------------------

// RFC 6962's MTH over leaves [from, to); whole blocks of 256 that were pruned come from the subtree rows.
function treeHash(log, from, to) {
        if (to - from === 0) return sha256('');
        const whole = to - from === 256 && from % 256 === 0;
        if (whole && from < log.pruned) return log.rows.get(`8/${from / 256}`) ?? null;
        if (whole && log.blocks.has(from)) return log.blocks.get(from);
        if (to - from === 1) return log.leaves.get(from) ?? null;
        let half = 1;
        while (half * 2 < to - from) half *= 2;
        const left = treeHash(log, from, from + half), right = treeHash(log, from + half, to);
        const hash = left && right ? sha256([1], left, right) : whole && log.damaged ? log.rows.get(`8/${from / 256}`) : null;
        if (whole && hash) log.blocks.set(from, hash);
        return hash;
}

// ---- reading ------------------------------------------------------------------------------------------------------------------

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'outside-'));
process.on('exit', () => fs.rmSync(scratch, { recursive: true, force: true }));

// Rows of a query on the copy; what a damaged file still gives comes back with `damaged`.
function rows(file, sql) {
        const run = spawnSync('sqlite3', ['-json', '-readonly', file, sql], { maxBuffer: 1 << 30 });
        let text = run.stdout.toString();
        const damaged = run.status !== 0;
        if (damaged && text.trim()) text = text.slice(0, text.lastIndexOf('}') + 1) + ']';
        let list = [];
        try { list = text.trim() ? JSON.parse(text) : []; } catch { /* cut within a row */ }
        return Object.assign(list, { damaged });
}

function copyOf(database) {
        const copy = path.join(scratch, 'audit.db');
        for (const suffix of ['', '-wal', '-journal'])
                if (fs.existsSync(database + suffix)) fs.copyFileSync(database + suffix, copy + suffix);
        return copy;
}

// Records in order as { seq, bytes }, checkpoints as { epoch, size, text }, and the subtree rows.
function readDatabase(database) {
        if (!fs.existsSync(database)) { say('NOT_FOUND'); end(); }
        const file = copyOf(database);
        const schema = rows(file, 'SELECT type, name, sql FROM sqlite_schema');
        if (schema.damaged) { say('CORRUPT'); end(); }
        if (schema.length === 0) { say('EMPTY'); end(); }
        const numbers = [rows(file, 'PRAGMA application_id')[0]?.application_id, rows(file, 'PRAGMA user_version')[0]?.user_version];
        const tables = SCHEMA.slice(0, 4).every(sql => schema.some(one => one.sql === sql));
        const genesis = tables && rows(file, 'SELECT hex(body) AS hex FROM record WHERE seq=0')[0];
        const ours = genesis && recordOf(Buffer.from(genesis.hex, 'hex'))?.action === 'audit.genesis';
        if (numbers[0] !== 0x474F5641 || numbers[1] !== 1) {
                say(ours ? 'SCHEMA' : 'VERSION');
                if (!ours) end();
        }
        if (schema.length !== SCHEMA.length || !schema.every(one => SCHEMA.includes(one.sql))) say('SCHEMA');
        if (!tables) end();
        const check = rows(file, 'PRAGMA quick_check(1)');
        if (check.damaged || check[0]?.quick_check !== 'ok') say('CORRUPT');

        const log = { records: [], notes: [], rows: new Map(), damaged: false };
        // page by page: a query ends at the first damage, the next begins behind it
        const max = rows(file, 'SELECT max(seq) AS seq FROM record')[0]?.seq ?? -1;
        for (let from = 0, ahead = 1; from <= max;) {
                const some = rows(file, `SELECT seq, typeof(body) AS type, hex(body) AS hex FROM record NOT INDEXED WHERE seq>=${from} ORDER BY seq`);
                for (const { seq, type, hex } of some) log.records.push({ seq, bytes: type === 'text' ? Buffer.from(hex, 'hex') : null });
                if (!some.damaged) break;
                log.damaged = true;
                ahead = some.length > 0 ? 1 : ahead * 2;
                from = (some.length > 0 ? some.at(-1).seq : from) + ahead;
        }
        for (const { epoch, size, hex } of rows(file, 'SELECT epoch, size, hex(note) AS hex FROM checkpoint NOT INDEXED ORDER BY epoch'))
                log.notes.push({ epoch, size, text: Buffer.from(hex, 'hex').toString() });
        for (const { level, idx, hex } of rows(file, 'SELECT level, idx, hex(hash) AS hex FROM subtree'))
                log.rows.set(`${level}/${idx}`, Buffer.from(hex, 'hex'));
        if (log.damaged) say('CORRUPT');
        log.hasRows = true;
        return log;
}

function readExport(jsonl, checkpoints) {
        const bytes = fs.readFileSync(jsonl), log = { records: [], notes: [], rows: new Map() };
        for (let at = 0; at < bytes.length;) {
                const next = bytes.indexOf(10, at), line = bytes.subarray(at, next < 0 ? bytes.length : next);
                log.records.push({ seq: recordOf(line)?.seq ?? log.records.length, bytes: next < 0 ? null : line });
                at = next < 0 ? bytes.length : next + 1;
        }
        // an empty line stands within a note and between two
        const parts = fs.readFileSync(checkpoints, 'utf8').split('\n\n');
        for (let i = 0; i < parts.length; i += 2) {
                const text = `${parts[i]}\n\n${parts[i + 1] ?? ''}` + (i + 2 < parts.length ? '\n' : '');
                log.notes.push({ epoch: i / 2, size: noteOf(text)?.size, text });
        }
        return log;
}

// ---- judging ------------------------------------------------------------------------------------------------------------------

const options = {};
for (let i = 2; i < process.argv.length; i += 2) options[process.argv[i].slice(2)] = process.argv[i + 1];
const log = options.db ? readDatabase(options.db) : readExport(options.jsonl, options.checkpoints);
const { records, notes } = log;
Object.assign(log, { leaves: new Map(), blocks: new Map(), pruned: 0 });
if (records.length === 0) say('EMPTY');

const parsed = records.map(({ bytes }) => bytes && recordOf(bytes));
const first = parsed[0]?.seq === 0 && records[0].seq === 0 ? parsed[0] : null;
let genesis = null;
if (first?.action === 'audit.genesis' && first.details.format === 'governor-audit/1' && first.details.retention_days >= 1) {
        const match = /^(.+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(first.details.log_key), key = match && bytesOf(match[3], 33);
        if (key && key[0] === 1 && match[1] === first.details.origin && keyId(match[1], [1], key.subarray(1)).toString('hex') === match[2])
                genesis = { origin: match[1], logKey: key.subarray(1), sealKey: bytesOf(first.details.seal_key, 32), days: first.details.retention_days };
}
if (!genesis && records.length > 0) say('GENESIS');

// the one gap that pruning makes
if (records[1] && records[1].seq > 1 && records[1].seq % 256 === 0) {
        const gone = parsed.find(one => one?.action === 'audit.archive' && one.details.to === records[1].seq);
        if (gone) {
                log.pruned = records[1].seq;
                if (Date.parse(gone.ts) - Date.parse(parsed[1]?.ts) < genesis?.days * 86400e3) say('PRUNE_EARLY');
        }
}

let expected = 0, last = '0'.repeat(64);
records.forEach(({ seq, bytes }, i) => {
        const record = parsed[i];
        if (i === 1 && log.pruned) { expected = log.pruned; last = null; }
        if (seq !== expected) { if (!log.damaged) say('SEQ_GAP'); last = null; }
        expected = seq + 1;
        const leaf = sha256([0], bytes ?? '');
        log.leaves.set(seq, leaf);
        if (!record) say('NOT_CANONICAL');
        else {
                if (record.seq !== seq) say('SEQ_ORDER');
                if (last !== null && record.prev !== last) say('PREV_MISMATCH');
        }
        last = leaf.toString('hex');
});
const size = expected;

// ---- subtrees and checkpoints

if (log.hasRows && !log.damaged && !found.has('SEQ_GAP')) {
        let wanted = 0;
        for (const level of [8, 16, 24])
                for (let i = 0; i < Math.floor(size / 2 ** level); i++, wanted++) {
                        const row = log.rows.get(`${level}/${i}`), from = i * 2 ** level;
                        const computed = from >= log.pruned ? treeHash(log, from, from + 2 ** level) : row;
                        if (!row || !computed || !row.equals(computed)) say('SUBTREE_MISMATCH');
                }
        if (log.rows.size !== wanted) say('SUBTREE_MISMATCH');
}

let sealKey = genesis?.sealKey ?? null, sealedSize = 0, epoch = 0, wrongBefore = false;
const chainKeys = new Map(sealKey ? [[0, sealKey]] : []);
for (const row of notes) {
        if (row.epoch !== epoch) { say('EPOCH_GAP'); sealKey = null; }
        epoch = row.epoch + 1;
        const note = noteOf(row.text);
        if (!note || note.seal === undefined) { say('BAD_NOTE'); sealKey = null; continue; }
        if (note.size !== row.size || (genesis && note.origin !== genesis.origin)) say('BAD_NOTE');
        if (note.epoch !== row.epoch) say('EPOCH_GAP');
        if (genesis && !logSigned(note, genesis.logKey)) say('LOG_SIG');
        if (sealKey && !sealed(note, sealKey)) say('SEAL_SIG');
        sealKey = note.next;
        chainKeys.set(epoch, sealKey);
        if (row.epoch === 0 ? note.size !== 1 : note.size <= sealedSize) { say('SIZE_ORDER'); continue; }
        sealedSize = note.size;
        if (note.size > size) { if (!log.damaged) say('CKPT_BEYOND_END'); continue; }
        const root = note.size < log.pruned && note.size % 256 !== 0 && note.size > 1 ? null : treeHash(log, 0, note.size);
        if (root && !root.equals(note.root)) say('ROOT_MISMATCH');
}
if (notes.length === 0) say('EPOCH_GAP');

// ---- the key

if (options.key) {
        if (!fs.existsSync(options.key)) say('NOT_FOUND');
        else {
                const bytes = fs.readFileSync(options.key), slots = [];
                for (const at of [0, 512]) {
                        const slot = bytes.subarray(at, at + 512);
                        if (slot.length >= 112 && slot.subarray(0, 8).toString('latin1') === 'GOVSEAL1' && sha256(slot.subarray(0, 80)).equals(slot.subarray(80, 112)))
                                slots.push({ epoch: Number(slot.readBigUInt64BE(8)), key: slot.subarray(48, 80) });
                }
                slots.sort((a, b) => a.epoch - b.epoch);
                if (slots.length === 0) say('KEY_MISSING');
                else {
                        if (slots[0].epoch > epoch) say('KEY_AHEAD');
                        else if (chainKeys.has(slots[0].epoch) && !chainKeys.get(slots[0].epoch).equals(slots[0].key)) say('KEY_MISMATCH');
                        if (slots.at(-1).epoch < epoch) say('KEY_BEHIND');
                }
        }
}

// ---- anchors and ages

if (options.anchors) {
        let told = false;
        for (const line of fs.readFileSync(options.anchors, 'utf8').split('\n')) {
                const match = /^govaudit1 (\S+) (\d+) (\S+)$/.exec(line);
                if (!match || match[1] !== genesis?.origin) continue;
                told = true;
                const at = Number(match[2]);
                if (at > size) { if (!log.damaged) say('ANCHOR_AHEAD'); continue; }
                if (at > 1 && at < log.pruned && at % 256 !== 0) { say('ANCHOR_PRUNED'); continue; }
                const root = treeHash(log, 0, at);
                if (root && root.toString('base64') !== match[3]) say('ANCHOR_MISMATCH');
        }
        if (!told) say('NO_ANCHOR');
}
const timeOf = seq => { const record = parsed[records.findIndex(one => one.seq === seq)]; return record ? Date.parse(record.ts) / 1000 : null; };
if (sealedSize < size && sealedSize > 0 && timeOf(size - 1) - timeOf(sealedSize) > 300) say('UNSEALED_TAIL');
if (options['max-age'] && (options.at ? Date.parse(options.at) : Date.now()) / 1000 - timeOf(Math.min(sealedSize, size) - 1) > Number(options['max-age'])) say('STALE');
end();
