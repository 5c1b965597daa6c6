/* The reader of databases: a real log whose pages are damaged as the input says. Whatever is done to the file, verify does not
 * call it sound unless its records are the same, and no record is proven that the log does not hold. */

#include "audit/audit.h"
#include "audit/genesis.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, OPERATION = 8, OPERATIONS_MAX = 16 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
        char dir[64], damaged[96];
        uint8_t *bytes;
        size_t size;
        char *records;
        size_t records_length;
        struct audit_trust trust;
        struct audit_anchors *anchors;
        char anchor[AUDIT_ANCHOR_MAX];
} world;

/* ---- the log --------------------------------------------------------------------------------------------------- */

static uint64_t still(void *userdata)
{
        (void)userdata;
        return UINT64_C(1767323045000000);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

static void remove_world(void)
{
        nftw(world.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void must(bool truth)
{
        if (!truth)
                abort();
}

static void fill_log(void)
{
        const struct audit_options options = {
                .host = "vps1.example",
                .no_ballast = true,
                .clock = { .realtime_usec = still,
                           .boottime_usec = still,
                           .boot_id = "00112233445566778899aabbccddeeff" },
        };
        struct audit *audit;
        struct audit_head head;
        unsigned line;

        must(audit_open(world.dir, &options, &audit, NULL) == 0);
        for (unsigned i = 0; i < 260; i++) {
                const struct audit_entry entry = { .action = "service.restart",
                                                   .subject = "unit:nginx.service",
                                                   .outcome = i % 2 ? AUDIT_OK : AUDIT_PENDING };

                must(audit_append(audit, &entry, NULL) == 0);
                if (i % 26 == 25)
                        must(audit_commit(audit, AUDIT_SEAL) == 0);
        }
        audit_head(audit, &head);
        strcpy(world.anchor, head.anchor);
        must(audit_anchors_new(&world.anchors) == 0);
        must(audit_anchors_add(world.anchors, world.anchor, strlen(world.anchor), &line) == 0);
        audit_close(audit);
}

static void read_log(const char *path)
{
        struct audit_reader *reader;
        struct audit_item item;
        struct audit_genesis genesis;
        char vkey[AUDIT_VKEY_MAX];
        FILE *out = open_memstream(&world.records, &world.records_length);

        must(audit_reader_open(path, &reader) == 0);
        must(audit_reader_next(reader, &item) == 1 && audit_genesis_parse(item.body, item.length, &genesis));
        audit_vkey_write(genesis.origin, genesis.log_key, vkey);
        must(audit_vkey_read(vkey, &world.trust.log) == 0);
        must(audit_export_jsonl(reader, NULL, out) == 0);
        fclose(out);
        audit_reader_close(reader);
}

static void read_bytes(const char *path)
{
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;

        must(fd >= 0 && fstat(fd, &st) == 0);
        world.size = (size_t)st.st_size;
        world.bytes = malloc(world.size);
        must(world.bytes && read(fd, world.bytes, world.size) == st.st_size);
        close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        char path[96];

        (void)argc, (void)argv;
        strcpy(world.dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-audit-XXXXXX" : "/tmp/fuzz-audit-XXXXXX");
        must(mkdtemp(world.dir) != NULL);
        atexit(remove_world);
        snprintf(path, sizeof(path), "%s/audit.db", world.dir);
        snprintf(world.damaged, sizeof(world.damaged), "%s/damaged.db", world.dir);
        fill_log();
        read_log(path);
        read_bytes(path);
        return 0;
}

/* ---- damage ---------------------------------------------------------------------------------------------------- */

/* Eight bytes: what is done, where (24 bits), with what (32 bits). */
static void damage(uint8_t *bytes, size_t *size, const uint8_t *operation)
{
        const size_t at = (size_t)(operation[1] << 16 | operation[2] << 8 | operation[3]) % world.size;
        const size_t with =
                (size_t)operation[4] << 24 | (size_t)(operation[5] << 16 | operation[6] << 8 | operation[7]);
        const size_t page = at - at % PAGE, other = with % world.size / PAGE * PAGE;

        switch (operation[0] % 8) {
        case 0: bytes[at] ^= (uint8_t)(1 << with % 8); break;
        case 1: bytes[at] = (uint8_t)with; break;
        case 2: memcpy(bytes + at, operation + 4, at + 4 <= world.size ? 4 : 1); break;
        case 3: memset(bytes + page, (int)with, PAGE); break;
        case 4: memcpy(bytes + page, world.bytes + other, PAGE); break;
        case 5: memcpy(bytes + at % PAGE + other, world.bytes + at, PAGE - at % PAGE); break;
        case 6: *size = with % 64 ? *size : page; break;                 /* cut, now and then */
        case 7: bytes[page + with % 108] = (uint8_t)(with >> 24); break; /* the header of a page */
        }
}

static void write_damaged(const uint8_t *bytes, size_t size)
{
        const int fd = open(world.damaged, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        must(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
        close(fd);
}

/* ---- what may be said of it -------------------------------------------------------------------------------------- */

static bool has_same_records(void)
{
        struct audit_reader *reader;
        char *records;
        size_t length;
        FILE *out = open_memstream(&records, &length);
        bool same = false;

        if (audit_reader_open(world.damaged, &reader) == 0) {
                same = audit_export_jsonl(reader, NULL, out) == 0;
                audit_reader_close(reader);
        }
        fclose(out);
        same = same && length == world.records_length && memcmp(records, world.records, length) == 0;
        free(records);
        return same;
}

static void judge_verdict(bool untouched)
{
        static struct audit_report report;

        audit_verify(
                &(struct audit_verify_options){
                        .database = world.damaged, .anchors = world.anchors, .now_usec = still(NULL), .threads = 1 },
                &report);
        if (untouched)
                must(report.verdict == AUDIT_VERDICT_OK);
        if (report.verdict == AUDIT_VERDICT_OK)
                must(report.exit_code == 0 && report.n_all == 0 && has_same_records());
        else
                must(report.exit_code != 0 && report.n_findings > 0);
}

static bool is_record_of_log(const struct audit_proved *proved)
{
        const char *at = world.records;

        for (uint64_t i = 0; i < proved->seq; i++)
                at = strchr(at, '\n') + 1;
        return strncmp(at, proved->body.text, proved->body.length) == 0 && at[proved->body.length] == '\n';
}

static void judge_proofs(struct audit_reader *reader, uint64_t seq)
{
        static struct audit_proved proved;
        uint64_t size;
        char *text;

        if (audit_prove(reader, seq, &text) == 0) {
                must(audit_proof_check(text, strlen(text), &world.trust, &proved) == 0 && proved.seq == seq);
                must(is_record_of_log(&proved));
                free(text);
        }
        if (audit_add_checkpoint_body(reader, seq, &text, &size) == 0)
                free(text);
        if (audit_reader_note_of(reader, seq, &text, &size) == 0)
                free(text);
}

static int pass(void *userdata, const struct audit_item *intent)
{
        (void)userdata, (void)intent;
        return 0;
}

static void read_damaged(uint64_t seq)
{
        FILE *null = fopen("/dev/null", "we");
        struct audit_reader *reader;
        struct audit_slice note;
        char anchor[AUDIT_ANCHOR_MAX], *last;

        if (audit_reader_open(world.damaged, &reader) == 0) {
                judge_proofs(reader, seq);
                judge_proofs(reader, 260);
                while (audit_reader_next_note(reader, &note) > 0)
                        ;
                audit_export_checkpoints(reader, null);
                audit_export_subtree(reader, null);
                audit_reader_genesis_anchor(reader, anchor);
                if (audit_reader_last_note(reader, &last) == 0)
                        free(last);
                audit_open_intents(reader, 0, pass, NULL);
                audit_reader_close(reader);
        }
        fclose(null);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint8_t *bytes = malloc(world.size);
        size_t length = world.size;

        must(bytes != NULL);
        memcpy(bytes, world.bytes, world.size);
        for (size_t i = 0; i + OPERATION <= size && i < OPERATIONS_MAX * OPERATION; i += OPERATION)
                damage(bytes, &length, data + i);
        write_damaged(bytes, length);
        judge_verdict(length == world.size && memcmp(bytes, world.bytes, length) == 0);
        read_damaged(size > 0 ? data[size - 1] : 0);
        free(bytes);
        return 0;
}
