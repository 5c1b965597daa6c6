#include "govctl/suggest.h"

#include <string.h>

#include "base/text.h"

const char *suggest(const char *word, const char *const *candidates, size_t n)
{
        size_t length = strlen(word);
        /* one slip in a short word, two or three in a longer one; beyond that it is another word */
        unsigned most = length < 3 ? 1 : length < 8 ? 2 : 3, best = most + 1;
        const char *found = NULL;

        for (size_t i = 0; i < n; i++) {
                unsigned distance = text_distance(word, candidates[i], most);

                if (length >= 3 && text_starts(candidates[i], word) && best > 1)
                        distance = 1; /* a beginning is meant, however long the rest */
                if (distance < best) {
                        best = distance;
                        found = candidates[i];
                }
        }
        return found;
}
