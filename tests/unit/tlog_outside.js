// Checks what Governor exports, knowing nothing of it but public specifications: RFC 6962 and C2SP's signed-note,
// tlog-checkpoint, tlog-cosignature, tlog-tiles and tlog-proof.
//
//   node tlog_outside.js tiles DIRECTORY VKEY [WITNESS_VKEY]    prints "SIZE ROOT"
//   node tlog_outside.js proof FILE VKEY [WITNESS_VKEY]         prints the proven record
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const [, , what, where, logKey, witnessKey] = process.argv;

function must(truth, why) {
  if (truth) return;
  console.error(why);
  process.exit(1);
}

const sha256 = (...parts) => crypto.createHash('sha256').update(Buffer.concat(parts.map((p) => Buffer.from(p)))).digest();
const leafHash = (body) => sha256([0], body);
const nodeHash = (left, right) => sha256([1], left, right);

// MTH of RFC 6962 over leaf hashes.
function treeHash(leaves) {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0];
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return nodeHash(treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)));
}

function readKey(vkey) {
  const [, name, id, base64] = /^([^+ ]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey);
  const typed = Buffer.from(base64, 'base64');
  must(sha256(`${name}\n`, typed).subarray(0, 4).toString('hex') === id, `${name}: the key id is wrong`);
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), typed.subarray(1)]);
  return { name, id, type: typed[0], key: crypto.createPublicKey({ key: der, format: 'der', type: 'spki' }) };
}

// True when a line by this key signs the text.
function isSigned(text, lines, vkey) {
  const signer = readKey(vkey);
  return lines.some((line) => {
    const [dash, name, base64] = line.split(' ');
    const bytes = Buffer.from(base64, 'base64');
    if (dash !== '—' || name !== signer.name || bytes.subarray(0, 4).toString('hex') !== signer.id) return false;
    if (signer.type === 1) return crypto.verify(null, Buffer.from(text), signer.key, bytes.subarray(4));
    const time = bytes.readBigUInt64BE(4);
    return crypto.verify(null, Buffer.from(`cosignature/v1\ntime ${time}\n${text}`), signer.key, bytes.subarray(12));
  });
}

function readCheckpoint(note) {
  const end = note.lastIndexOf('\n\n') + 1;
  const text = note.slice(0, end);
  const lines = note.slice(end + 1, -1).split('\n');
  const [origin, size, root] = text.split('\n');
  must(origin === readKey(logKey).name, `the checkpoint is of ${origin}`);
  must(isSigned(text, lines, logKey), 'the log has not signed the checkpoint');
  must(!witnessKey || isSigned(text, lines, witnessKey), 'the witness has not signed the checkpoint');
  return { size: Number(size), root: Buffer.from(root, 'base64') };
}

// ---- tiles --------------------------------------------------------------------------------------------------------

function tilePath(kind, index, width) {
  const groups = [];
  for (let rest = index, first = true; first || rest > 0; first = false, rest = Math.floor(rest / 1000))
    groups.unshift((first ? '' : 'x') + String(rest % 1000).padStart(3, '0'));
  return path.join(where, 'tile', kind, ...groups) + (width < 256 ? `.p/${width}` : '');
}

// All tiles of a level that holds `n` hashes, or all bundles of `n` entries.
function* tilesOf(kind, n) {
  for (let index = 0; index * 256 < n; index++) {
    const width = Math.min(256, n - index * 256);
    yield { width, bytes: fs.readFileSync(tilePath(kind, index, width)) };
  }
}

function checkTiles() {
  const { size, root } = readCheckpoint(fs.readFileSync(path.join(where, 'checkpoint'), 'utf8'));
  let hashes = [];
  for (const { width, bytes } of tilesOf('entries', size)) {
    let at = 0;
    for (let i = 0; i < width; i++) {
      const length = bytes.readUInt16BE(at);
      hashes.push(leafHash(bytes.subarray(at + 2, at + 2 + length)));
      at += 2 + length;
    }
    must(at === bytes.length, 'a bundle holds more than its entries');
  }
  must(hashes.length === size, `${hashes.length} entries of ${size}`);
  must(treeHash(hashes).equals(root), 'the entries do not lead to the root');

  for (let level = 0; hashes.length > 0; level++) {
    const above = [];
    let at = 0;
    for (const { width, bytes } of tilesOf(String(level), hashes.length)) {
      const wanted = hashes.slice(at, at + width);
      must(bytes.equals(Buffer.concat(wanted)), `a tile of level ${level} is wrong`);
      if (width === 256) above.push(treeHash(wanted));
      at += width;
    }
    hashes = above;
  }
  console.log(size, root.toString('hex'));
}

// ---- proofs -------------------------------------------------------------------------------------------------------

// The root that a proof leads to (RFC 9162, 2.1.3.2).
function walk(index, size, leaf, hashes) {
  let [node, last, hash] = [index, size - 1, leaf];
  for (const sibling of hashes) {
    must(last > 0, 'the proof is too long');
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  must(last === 0, 'the proof is too short');
  return hash;
}

function checkProof() {
  const text = fs.readFileSync(where, 'utf8');
  const split = text.indexOf('\n\n');
  const [first, extra, index, ...hashes] = text.slice(0, split).split('\n');
  const { size, root } = readCheckpoint(text.slice(split + 2));
  must(first === 'c2sp.org/tlog-proof@v1', 'not a proof');
  const body = Buffer.from(extra.replace(/^extra /, ''), 'base64');
  const found = walk(Number(index.replace(/^index /, '')), size, leafHash(body), hashes.map((h) => Buffer.from(h, 'base64')));
  must(found.equals(root), 'the proof does not lead to the root');
  console.log(body.toString());
}

if (what === 'tiles') checkTiles();
else checkProof();
