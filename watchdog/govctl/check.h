#pragma once
/* The doctor's checks as a table, and what they find: each with the fix to paste. */
#include "govctl/machine.h"

struct finding {
        const char *check; /* id of the check */
        char subject[288]; /* unit, app, home or "governor" */
        char what[192];    /* "its start limit can never be reached" */
        char why[1024];    /* the facts, in sentences */
        char where[512];   /* file:line, "" for none */
        char fix[2048];    /* shell to paste; lines that begin with '#' are for the reader */
};

struct findings {
        struct finding *list;
        size_t n;
        const char *check; /* the one that looks now */
};

void findings_done(struct findings *findings);

/* A new finding about the subject, to be filled in with the calls below, which take the NULL that is returned when memory
 * has ended. A loan until the next one. */
struct finding *finding_new(struct findings *findings, const char *subject, const char *what);
__attribute__((format(printf, 2, 3))) void finding_why(struct finding *finding, const char *format, ...);
__attribute__((format(printf, 2, 3))) void finding_fix(struct finding *finding, const char *format, ...);
void finding_at(struct finding *finding, const struct setting *setting);
void finding_in(struct finding *finding, const char *file);

/* Shell that writes a drop-in with these lines, behind all that are there, and loads it; `tag` keeps two fixes of one unit apart. */
void finding_drop_in(struct finding *finding, const char *unit, const char *tag, const char *lines);

/* One word for a shell, whatever it holds: fixes are pasted by root, and apps choose their own names. */
#define SHELL_WORD_MAX 1024
char *shell_word(const char *text, char word[SHELL_WORD_MAX]);

struct check {
        const char *id;
        const char *what; /* what it looks for, for people */
        void (*look)(struct machine *machine, struct findings *findings);
};

extern const struct check checks[];
extern const size_t checks_n;

/* Runs all of them. */
void checks_look(struct machine *machine, struct findings *findings);

/* What several checks ask. */
bool unit_is_pm2(const struct unit *unit);
/* A policy says which services are agents; without one every service that somebody wrote here may be. */
bool unit_is_agent(const struct machine *machine, const struct unit *unit);
const struct unit *home_unit(const struct machine *machine, const struct home *home);

/* The pm2 command for this home as its owner: run by root on another's home it would start a daemon of root's there. */
char *home_pm2(const struct home *home, char command[SHELL_WORD_MAX]);

/* checks_self.c */
void look_daemon(struct machine *machine, struct findings *findings);
void look_systemd(struct machine *machine, struct findings *findings);
void look_pidfd(struct machine *machine, struct findings *findings);
void look_pressure(struct machine *machine, struct findings *findings);
void look_memory_controller(struct machine *machine, struct findings *findings);
void look_memory_of(struct machine *machine, struct findings *findings);
void look_memory_floor(struct machine *machine, struct findings *findings);
void look_floor_victims(struct machine *machine, struct findings *findings);
void look_floor_trigger(struct machine *machine, struct findings *findings);
void look_kernel_log(struct machine *machine, struct findings *findings);
void look_state(struct machine *machine, struct findings *findings);
void look_anchor(struct machine *machine, struct findings *findings);
void look_approvers(struct machine *machine, struct findings *findings);
void look_group(struct machine *machine, struct findings *findings);
void look_blind(struct machine *machine, struct findings *findings);
void look_rollback(struct machine *machine, struct findings *findings);
void look_mode(struct machine *machine, struct findings *findings);

/* checks_cpu.c */
void look_steal(struct machine *machine, struct findings *findings);
void look_cpu_limit(struct machine *machine, struct findings *findings);

/* checks_limits.c */
void look_limits_left(struct machine *machine, struct findings *findings);
void look_trials(struct machine *machine, struct findings *findings);

/* checks_units.c */
void look_start_limit(struct machine *machine, struct findings *findings);
void look_binds_to(struct machine *machine, struct findings *findings);
void look_unit_root(struct machine *machine, struct findings *findings);
void look_unit_pid_file(struct machine *machine, struct findings *findings);
void look_unit_healers(struct machine *machine, struct findings *findings);

/* checks_powers.c */
void look_powers(struct machine *machine, struct findings *findings);

/* checks_pm2.c */
void look_pm2_unit(struct machine *machine, struct findings *findings);
void look_pm2_no_unit(struct machine *machine, struct findings *findings);
void look_pm2_second_god(struct machine *machine, struct findings *findings);
void look_pm2_outside(struct machine *machine, struct findings *findings);
void look_pm2_stale(struct machine *machine, struct findings *findings);

/* checks_apps.c */
void look_app_limits(struct machine *machine, struct findings *findings);
void look_app_saved(struct machine *machine, struct findings *findings);
void look_app_healers(struct machine *machine, struct findings *findings);
void look_app_root(struct machine *machine, struct findings *findings);
void look_app_secrets(struct machine *machine, struct findings *findings);
