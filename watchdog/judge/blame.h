#pragma once
/*
 * What changed shortly before a trouble began: a declared file, what the manager has of the agent, a deploy, a package. Named as
 * what came before, never as the cause. What was changed before a life that lasted began did no harm, and is not named.
 */
#include "judge/memory.h"

/* FACT_CONFIG and FACT_PACKAGE. */
void blame_config(struct judge *judge, const struct fact *fact);
void blame_package(struct judge *judge, const struct fact *fact);

/* FACT_CHANGE: a window was closed in which a command had been run. */
void blame_deploy(struct judge *judge, const struct fact *fact);

/* The last deploy for people; false: none is known. */
bool blame_show_deploy(const struct agent *agent, struct deploy_view *ret);

/* A life of the agent ended after so long. */
void blame_lived(struct agent *agent, usec_t began, usec_t lived);

/* Appends ", began 40s after /opt/lily/config.json was changed (512B to 530B)" for the instance's trouble, or nothing. */
void blame_say(const struct judge *judge, const struct instance *instance, char reason[REASON_MAX]);

/* Appends "; 3m after package nodejs was upgraded (18.1 to 18.2)" for what began then, or nothing. */
void blame_say_package(const struct judge *judge, usec_t began, char reason[REASON_MAX]);

/* Whether a package changed at about that time. */
bool blame_package_near(const struct judge *judge, usec_t at);

/* For the memory: what is known of the agent (n from 0), and the n-th package, as facts; false where there is none. */
#define BLAME_FACTS (RECENT_N + 1)
bool blame_remember(const struct judge *judge, uint32_t agent, uint32_t n, struct fact *ret);
bool blame_remember_package(const struct judge *judge, uint32_t n, struct fact *ret);
