// The PM2 half of the demo's machine: twenty agents of one small household, with PM2's defaults.
'use strict';
const names = [
        'lily', 'otto', 'rosa', 'hugo', 'mila', 'emil', 'ida', 'oskar', 'frida', 'karl',
        'clara', 'anton', 'greta', 'jakob', 'lotte', 'paul', 'marta', 'bruno', 'edda', 'felix',
];

module.exports = {
        apps: names.map((name) => ({
                name,
                script: '/srv/agents/agent.js',
                env: { TELEGRAM_TOKEN: `demo-secret-of-${name}` },
        })),
};
