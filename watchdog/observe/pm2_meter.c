#include "observe/pm2_inside.h"

/*
 * All that 300 apps tell that PM2 ends and begins again at once, and then as much as it can fork in the long run. Somebody
 * who only plays PM2 could tell thousands of ends a second, and fill the disk with what is kept about them.
 */
#define AT_ONCE UINT64_C(6000)
#define A_SECOND UINT64_C(100)
#define A_SECOND_AND_APP UINT64_C(2)
#define A_SECOND_MOST UINT64_C(600)
#define WHOLE UINT64_C(1000000)

void pm2_meter_fill(struct pm2_meter *meter, usec_t now, size_t apps)
{
        uint64_t rate = A_SECOND + A_SECOND_AND_APP * apps, most = AT_ONCE * WHOLE;
        usec_t ago = usec_since(now, meter->at);

        if (rate > A_SECOND_MOST)
                rate = A_SECOND_MOST;
        if (meter->at == 0 || ago > most / rate || meter->left + ago * rate > most)
                meter->left = most;
        else
                meter->left += ago * rate;
        meter->at = now;
}

void pm2_meter_take(struct pm2_meter *meter, unsigned facts)
{
        meter->spent |= meter->left < facts * WHOLE;
        meter->left -= meter->spent ? 0 : facts * WHOLE;
}
