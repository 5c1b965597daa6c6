// An agent as small as one can be: it lives until something tells it not to.
//
// As long as /srv/faults/NAME is not there it stays healthy. That file says for how many milliseconds a life still
// lasts: a running agent notices it at once, one that starts finds it. Each birth is written to /srv/births/NAME and each
// death to /srv/deaths/NAME in milliseconds since 1970, so that a test knows what really happened.
'use strict';
const fs = require('fs');

const name = process.argv[2] || process.env.name;
let dying = false;

function note(what) {
        fs.appendFileSync(`/srv/${what}/${name}`, `${Date.now()}\n`);
}

function die() {
        note('deaths');
        process.exit(Number(process.env.EXIT_CODE || 1));
}

function look() {
        let life;
        try {
                life = fs.readFileSync(`/srv/faults/${name}`, 'utf8');
        } catch {
                return;
        }
        if (dying || life === '')
                return;
        dying = true;
        if (Number(life) > 0)
                setTimeout(die, Number(life));
        else
                die();
}

note('births');
fs.watch('/srv/faults', look);
look();
