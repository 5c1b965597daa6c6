#pragma once
/* What the key table says to editors and readers: a JSON Schema and the reference of governor-policy(5). */

/* policies/governor-policy.schema.json, byte for byte. Allocated. */
int policy_schema(char **ret);

/* The part of man/governor-policy.5 between its two marks. Allocated. */
int policy_manual(char **ret);
