// A witness of transparency logs as C2SP tlog-witness describes it, by node's own Ed25519 and nothing of ours: it cosigns
// a checkpoint only when it continues the one that it cosigned before.
//
//      node witness.js STATE init NAME         makes its key and prints the verifier key
//      node witness.js STATE trust VKEY        of a log
//      node witness.js STATE serve PORT [CERT KEY]
//      node witness.js STATE seen ORIGIN       "SIZE ROOT" that it cosigned last
//
// STATE is one file; it is on disk before the answer is on the wire.
'use strict';
const crypto = require('crypto'), fs = require('fs'), path = require('path');

const LOG_KEY = 0x01, WITNESS_KEY = 0x04, PROOF_LINES_MAX = 63, BODY_MAX = 64 * 1024;
const EMPTY = crypto.createHash('sha256').digest();
const SPKI = Buffer.from('302a300506032b6570032100', 'hex'), PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

const sha256 = (...parts) => crypto.createHash('sha256').update(Buffer.concat(parts)).digest();
const node = (left, right) => sha256(Buffer.from([1]), left, right);
const privateKey = seed => crypto.createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
const publicKey = raw => crypto.createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' });
const rawPublic = seed => crypto.createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' }).subarray(-32);
const keyId = (name, type, raw) => sha256(Buffer.from(name + '\n'), Buffer.from([type]), raw).subarray(0, 4);

class Refusal extends Error {
        constructor(status, text, type = 'text/plain') {
                super(text);
                Object.assign(this, { status, type });
        }
}

// Canonical base64 of so many bytes, or of any number.
function base64(text, length) {
        const bytes = Buffer.from(text, 'base64');
        if (bytes.toString('base64') !== text || (length !== undefined && bytes.length !== length))
                throw new Refusal(400, 'not base64');
        return bytes;
}

function vkey(text) {
        const [, name, id, key] = text.match(/^([^+ ]+)\+([0-9a-f]{8})\+(.+)$/) || [];
        if (!key)
                throw new Error('not a verifier key: ' + text);
        const bytes = base64(key, 33);
        if (bytes[0] !== LOG_KEY || !keyId(name, LOG_KEY, bytes.subarray(1)).equals(Buffer.from(id, 'hex')))
                throw new Error('not the verifier key of a log: ' + text);
        return { name, id: Buffer.from(id, 'hex'), raw: bytes.subarray(1) };
}

// ---- what is asked ------------------------------------------------------------------------------------------------------

const decimal = text => {
        if (!/^(0|[1-9][0-9]{0,15})$/.test(text))
                throw new Refusal(400, 'not a size');
        return Number(text);
};

function parseCheckpoint(note) {
        const end = note.indexOf('\n\n');
        if (end < 0 || !note.endsWith('\n'))
                throw new Refusal(400, 'not a note');
        const text = note.slice(0, end + 1), lines = text.slice(0, -1).split('\n');
        if (lines.length < 3 || !lines[0] || lines.some(line => !line))
                throw new Refusal(400, 'not a checkpoint');
        const signatures = note.slice(end + 2, -1).split('\n').map(line => {
                const words = line.split(' ');
                if (words.length !== 3 || words[0] !== '—' || !words[1])
                        throw new Refusal(400, 'not a signature line');
                return { name: words[1], bytes: base64(words[2]) };
        });
        return { text, origin: lines[0], size: decimal(lines[1]), root: base64(lines[2], 32), signatures };
}

function parseRequest(body) {
        const end = body.indexOf('\n\n');
        if (end < 0)
                throw new Refusal(400, 'no checkpoint');
        const [old, ...proof] = body.slice(0, end).split('\n');
        if (!old.startsWith('old ') || proof.length > PROOF_LINES_MAX)
                throw new Refusal(400, 'not an add-checkpoint request');
        return { old: decimal(old.slice(4)), proof: proof.map(line => base64(line, 32)), checkpoint: parseCheckpoint(body.slice(end + 2)) };
}

// ---- how it is judged ---------------------------------------------------------------------------------------------------

function isSigned(checkpoint, keys) {
        return keys.map(vkey).some(key => checkpoint.signatures.some(({ name, bytes }) =>
                name === key.name && bytes.length === 68 && bytes.subarray(0, 4).equals(key.id) &&
                crypto.verify(null, Buffer.from(checkpoint.text), publicKey(key.raw), bytes.subarray(4))));
}

// RFC 9162 2.1.4.2. Sizes stay below 2^53, so halves are taken by division.
function isConsistent(oldSize, oldRoot, size, root, proof) {
        if (oldSize === 0)
                return proof.length === 0;
        if (oldSize === size)
                return proof.length === 0 && oldRoot.equals(root);
        const path = [...proof];
        let first = oldSize - 1, last = size - 1;
        const odd = n => n % 2 === 1, half = n => Math.floor(n / 2);
        if (Number.isInteger(Math.log2(oldSize)))
                path.unshift(oldRoot);
        while (odd(first)) {
                first = half(first);
                last = half(last);
        }
        if (!path.length)
                return false;
        let was = path[0], is = path[0];
        for (const hash of path.slice(1)) {
                if (last === 0)
                        return false;
                if (odd(first) || first === last) {
                        was = node(hash, was);
                        is = node(hash, is);
                        while (!odd(first) && first !== 0) {
                                first = half(first);
                                last = half(last);
                        }
                } else
                        is = node(is, hash);
                first = half(first);
                last = half(last);
        }
        return last === 0 && was.equals(oldRoot) && is.equals(root);
}

function cosign(state, checkpoint) {
        const seed = Buffer.from(state.seed, 'hex'), now = Math.floor(Date.now() / 1000), time = Buffer.alloc(8);
        time.writeBigUInt64BE(BigInt(now));
        const signature = crypto.sign(null, Buffer.from(`cosignature/v1\ntime ${now}\n${checkpoint.text}`), privateKey(seed));
        const id = keyId(state.name, WITNESS_KEY, rawPublic(seed));
        return `— ${state.name} ${Buffer.concat([id, time, signature]).toString('base64')}\n`;
}

// The whole of the specification; the order of its checks is the order here.
function addCheckpoint(state, body) {
        const { old, proof, checkpoint } = parseRequest(body), log = state.logs[checkpoint.origin];
        if (!log)
                throw new Refusal(404, 'unknown log');
        if (!isSigned(checkpoint, log.keys))
                throw new Refusal(403, 'no signature by a key of this log');
        if (old > checkpoint.size)
                throw new Refusal(400, 'the old size is larger than the new one');
        const root = log.size ? Buffer.from(log.root, 'base64') : EMPTY;
        if (old !== log.size || (old === checkpoint.size && !root.equals(checkpoint.root)))
                throw new Refusal(409, `${log.size}\n`, 'text/x.tlog.size');
        if (!isConsistent(old, root, checkpoint.size, checkpoint.root, proof))
                throw new Refusal(422, 'this does not continue what was cosigned before');
        Object.assign(log, { size: checkpoint.size, root: checkpoint.root.toString('base64') });
        return cosign(state, checkpoint);
}

// ---- state, and the wire ------------------------------------------------------------------------------------------------

const load = file => JSON.parse(fs.readFileSync(file, 'utf8'));

function save(file, state) {
        const part = file + '.part', fd = fs.openSync(part, 'w', 0o600);
        fs.writeSync(fd, JSON.stringify(state, null, 1));
        fs.fsyncSync(fd);
        fs.closeSync(fd);
        fs.renameSync(part, file);
}

// Loaded, judged and saved in one go: node takes no other request meanwhile.
function answer(file, request, body) {
        if (request.method !== 'POST' || path.basename(request.url) !== 'add-checkpoint')
                throw new Refusal(404, 'nothing here');
        const state = load(file), lines = addCheckpoint(state, body);
        save(file, state);
        return lines;
}

function serve(file, port, cert, key) {
        const take = (request, response) => {
                const parts = [];
                let size = 0;
                request.on('data', part => (size += part.length) > BODY_MAX ? request.destroy() : parts.push(part));
                request.on('end', () => {
                        let status = 200, type = 'text/plain; charset=utf-8', text;
                        try {
                                text = answer(file, request, Buffer.concat(parts).toString('utf8'));
                        } catch (error) {
                                status = error.status || 500;
                                type = error.type || 'text/plain';
                                text = error.message;
                        }
                        console.log(`${status} ${text.split('\n')[0]}`);
                        response.writeHead(status, { 'Content-Type': type });
                        response.end(text);
                });
        };
        const server = cert ? require('https').createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) }, take)
                            : require('http').createServer(take);
        server.listen(Number(port), '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
}

const verbs = {
        init(file, name) {
                const seed = crypto.randomBytes(32), raw = rawPublic(seed);
                save(file, { name, seed: seed.toString('hex'), logs: {} });
                console.log(`${name}+${keyId(name, WITNESS_KEY, raw).toString('hex')}+${Buffer.concat([Buffer.from([WITNESS_KEY]), raw]).toString('base64')}`);
        },
        trust(file, text) {
                const state = load(file), { name } = vkey(text);
                state.logs[name] ??= { keys: [], size: 0, root: '' };
                state.logs[name].keys.push(text);
                save(file, state);
        },
        seen(file, origin) {
                const { size, root } = load(file).logs[origin];
                console.log(`${size} ${root}`);
        },
        serve,
};

module.exports = { addCheckpoint, isConsistent };
if (require.main === module) {
        const [file, verb, ...words] = process.argv.slice(2);
        if (!verbs[verb]) {
                console.error('usage: node witness.js STATE init NAME | trust VKEY | serve PORT [CERT KEY] | seen ORIGIN');
                process.exit(2);
        }
        verbs[verb](file, ...words);
}
