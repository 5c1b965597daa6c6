#pragma once
/* Records of the audit log in words for people. */
#include <jansson.h>

#include "govctl/page.h"

#define RECORD_WORDS_MAX 1024

/* "put into quarantine: 3 deaths in 60s ...": what the record says, without its time and subject. */
char *record_words(const json_t *record, char buffer[RECORD_WORDS_MAX]);

/* Facts are what the rest follows from; people rarely look for them, nor for the log's own business. */
bool record_is_fact(const json_t *record);
bool record_is_noise(const json_t *record);

/* An action that was due and was not taken, and why: "" when the record is no such. */
const char *record_withheld(const json_t *record);

enum tint record_tint(const json_t *record);

/* Who or what it is about, as people call it: "tamara", "the machine". */
#define SUBJECT_WORDS_MAX 288
char *subject_words(const char *subject, char buffer[SUBJECT_WORDS_MAX]);

/* A whole record in a line: time, subject, words, incident. */
void record_show(struct page *page, const json_t *record);
