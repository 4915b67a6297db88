/* Trusted certificates that are found by name: which ones, and what the library makes of a chain
 * with them. tests/blackbox/test_tls.py has handshakes. */
#include "base/files.h"
#include "base/out.h"
#include "net/tls_inside.h"

#include <mbedtls/platform.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define ROOM 2048
#define MANY 10000

struct made {
    unsigned char der[ROOM];
    size_t n;
};

static mbedtls_pk_context keys[3];

static int weak_random(void *unused, unsigned char *to, size_t n)
{
    static uint32_t x = 1;

    (void)unused;
    while (n-- > 0) {
        x = x * 1664525 + 1013904223;
        *to++ = (unsigned char)(x >> 24);
    }
    return 0;
}

/* A certificate of subject for key, signed by signer. authority: it may sign others. */
static struct made make(const char *subject, unsigned key, const char *issuer, unsigned signer,
                        bool authority)
{
    mbedtls_x509write_cert w;
    unsigned char der[ROOM];
    struct made made = { .n = 0 };
    int n;

    mbedtls_x509write_crt_init(&w);
    mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&w, &keys[key]);
    mbedtls_x509write_crt_set_issuer_key(&w, &keys[signer]);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    assert_int_equal(mbedtls_x509write_crt_set_serial_raw(&w, (unsigned char[]){ 7 }, 1), 0);
#else
    mbedtls_mpi_lset(&w.serial, 7);
#endif
    assert_int_equal(mbedtls_x509write_crt_set_subject_name(&w, subject), 0);
    assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&w, issuer), 0);
    assert_int_equal(mbedtls_x509write_crt_set_validity(&w, "20200101000000", "20491231235959"), 0);
    assert_int_equal(mbedtls_x509write_crt_set_basic_constraints(&w, authority, -1), 0);
    n = mbedtls_x509write_crt_der(&w, der, sizeof der, weak_random, NULL);
    assert_true(n > 0);
    memcpy(made.der, der + sizeof der - n, (size_t)n);
    made.n = (size_t)n;
    mbedtls_x509write_crt_free(&w);
    return made;
}

static struct span span_of_made(const struct made *m)
{
    return (struct span){ (const char *)m->der, m->n };
}

static void parse(mbedtls_x509_crt *crt, const struct made *m)
{
    mbedtls_x509_crt_init(crt);
    assert_int_equal(mbedtls_x509_crt_parse_der(crt, m->der, m->n), 0);
}

/* How many anchors there are for the issuer of a certificate. verified: with them it is trusted. */
static unsigned found_for(struct tls_anchors *a, const struct made *m, bool *verified)
{
    mbedtls_x509_crt child, *found;
    uint32_t flags;
    unsigned n = 0;

    parse(&child, m);
    assert_int_equal(tls_anchors_ask(a, &child, &found), 0);
    for (const mbedtls_x509_crt *c = found; c; c = c->next)
        n++;
    *verified =
        found && mbedtls_x509_crt_verify(&child, found, NULL, NULL, &flags, NULL, NULL) == 0;
    mbedtls_x509_crt_free(&child);
    mbedtls_x509_crt_free(found);
    mbedtls_free(found);
    return n;
}

static void an_anchor_is_found_by_name(void **state)
{
    struct made one = make("C=CH,CN=One", 0, "C=CH,CN=One", 0, true),
                two = make("C=CH,CN=Two", 1, "C=CH,CN=Two", 1, true),
                leaf = make("CN=leaf", 2, "C=CH,CN=Two", 1, false),
                stranger = make("CN=leaf", 2, "C=CH,CN=Three", 1, false),
                forged = make("CN=leaf", 2, "C=CH,CN=One", 1, false);
    struct tls_anchors *a = tls_anchors_make(one.n + two.n);
    bool verified;

    (void)state;
    assert_int_equal(tls_anchors_add(a, span_of_made(&one)), 0);
    assert_int_equal(tls_anchors_add(a, span_of_made(&two)), 0);
    tls_anchors_trim(a);
    assert_int_equal(tls_anchors_count(a), 2);
    assert_int_equal(found_for(a, &leaf, &verified), 1);
    assert_true(verified);
    assert_int_equal(found_for(a, &stranger, &verified), 0);
    assert_int_equal(found_for(a, &forged, &verified), 1);
    assert_false(verified);
    tls_anchors_free(a);
}

/* An authority that has changed its key has two certificates of one name for a while. */
static void all_of_one_name_are_found(void **state)
{
    struct made old = make("CN=Same", 0, "CN=Same", 0, true),
                fresh = make("CN=Same", 1, "CN=Same", 1, true),
                by_old = make("CN=leaf", 2, "CN=Same", 0, false),
                by_fresh = make("CN=leaf", 2, "CN=Same", 1, false);
    struct tls_anchors *a = tls_anchors_make(8192);
    bool verified;

    (void)state;
    assert_int_equal(tls_anchors_add(a, span_of_made(&old)), 0);
    assert_int_equal(tls_anchors_add(a, span_of_made(&fresh)), 0);
    assert_int_equal(found_for(a, &by_old, &verified), 2);
    assert_true(verified);
    assert_int_equal(found_for(a, &by_fresh, &verified), 2);
    assert_true(verified);
    tls_anchors_free(a);
}

/* The library holds these names for the same (RFC 5280, 7.1). */
static void the_case_of_a_name_does_not_matter(void **state)
{
    struct made root = make("CN=Some Authority", 0, "CN=Some Authority", 0, true),
                leaf = make("CN=leaf", 2, "CN=SOME authority", 0, false);
    struct tls_anchors *a = tls_anchors_make(8192);
    bool verified;

    (void)state;
    assert_int_equal(tls_anchors_add(a, span_of_made(&root)), 0);
    assert_int_equal(found_for(a, &leaf, &verified), 1);
    assert_true(verified);
    tls_anchors_free(a);
}

/* A certificate between is trusted as it is, whoever has signed it. */
static void a_cross_signed_authority_is_one(void **state)
{
    struct made cross = make("CN=Young", 1, "CN=Old", 0, true),
                leaf = make("CN=leaf", 2, "CN=Young", 1, false);
    struct tls_anchors *a = tls_anchors_make(8192);
    bool verified;

    (void)state;
    assert_int_equal(tls_anchors_add(a, span_of_made(&cross)), 0);
    assert_int_equal(found_for(a, &leaf, &verified), 1);
    assert_true(verified);
    tls_anchors_free(a);
}

static void a_certificate_of_its_own_is_known(void **state)
{
    struct made self = make("CN=self", 0, "CN=self", 0, false),
                other = make("CN=self", 1, "CN=self", 1, false),
                issued = make("CN=leaf", 2, "CN=self", 0, false);
    struct tls_anchors *a = tls_anchors_make(8192);
    const struct made *all[] = { &self, &other, &issued };

    (void)state;
    assert_int_equal(tls_anchors_add(a, span_of_made(&self)), 0);
    assert_int_equal(tls_anchors_add(a, span_of_made(&issued)), 0);
    for (unsigned i = 0; i < 3; i++) {
        mbedtls_x509_crt crt;

        parse(&crt, all[i]);
        assert_int_equal(tls_anchors_have(a, &crt), i == 0);
        assert_false(tls_anchors_have(NULL, &crt));
        mbedtls_x509_crt_free(&crt);
    }
    tls_anchors_free(a);
}

static void what_is_damaged_is_not_added(void **state)
{
    struct made root = make("CN=Root", 0, "CN=Root", 0, true);
    struct tls_anchors *a = tls_anchors_make(8192);
    unsigned added = 0;

    (void)state;
    for (size_t n = 0; n < root.n; n++)
        assert_int_not_equal(tls_anchors_add(a, (struct span){ (char *)root.der, n }), 0);
    for (size_t i = 0; i < 60; i++) {
        struct made changed = root;

        changed.der[i] ^= 0x40;
        added += tls_anchors_add(a, span_of_made(&changed)) == 0;
    }
    assert_int_equal(tls_anchors_count(a), added);
    assert_true(added < 30);
    tls_anchors_free(a);
}

/* Changes the name to one of the same length. */
static void number(struct made *m, unsigned i, const char *name)
{
    unsigned char *at = memmem(m->der, m->n, name, strlen(name));
    char digits[8];

    assert_non_null(at);
    snprintf(digits, sizeof digits, "%05u", i);
    for (; at; at = memmem(at + 1, (size_t)(m->der + m->n - at - 1), name, strlen(name)))
        memcpy(at, digits, 5);
}

static void ten_thousand(void **state)
{
    struct made root = make("CN=_____ authority", 0, "CN=_____ authority", 0, true),
                leaf = make("CN=leaf", 2, "CN=_____ authority", 0, false);
    struct tls_anchors *a = tls_anchors_make(MANY * root.n);
    bool verified;

    (void)state;
    assert_non_null(a);
    for (unsigned i = 0; i < MANY; i++) {
        struct made one = root;

        number(&one, i, "_____");
        assert_int_equal(tls_anchors_add(a, span_of_made(&one)), 0);
    }
    assert_int_equal(tls_anchors_count(a), MANY);
    for (unsigned i = 0; i < MANY + 10; i += 9) {
        struct made one = leaf;

        number(&one, i, "_____");
        assert_int_equal(found_for(a, &one, &verified), i < MANY);
    }
    assert_int_not_equal(tls_anchors_add(a, span_of_made(&root)), 0); /* there is no room */
    tls_anchors_free(a);
}

static void put_pem(FILE *to, struct made m, bool damaged)
{
    char text[OUT_BASE64_SIZE(ROOM)];
    struct out o;

    m.der[1] ^= damaged ? 0x40 : 0;
    out_init(&o, text, sizeof text);
    out_base64(&o, span_of_made(&m));
    fputs("-----BEGIN CERTIFICATE-----", to);
    for (size_t i = 0; i < o.n; i++)
        fprintf(to, "%s%c", i % 64 ? "" : "\n", text[i]);
    fputs("\n-----END CERTIFICATE-----\n", to);
}

/* A file of 300 certificates, of which one is damaged or none is; -1: none. */
static int load(struct files *files, int damaged, char *why, size_t why_n)
{
    char path[] = "/tmp/test_anchors_XXXXXX";
    struct made root = make("CN=Root", 0, "CN=Root", 0, true);
    struct tls_options o = { .files = files, .ca_file = path, .verify = true };
    struct tls_context *c;
    FILE *to = fdopen(mkstemp(path), "w");
    int err;

    assert_non_null(to);
    for (int i = 0; i < 300; i++)
        put_pem(to, root, i == damaged);
    assert_int_equal(fclose(to), 0);
    err = tls_context_make(&c, &o, why, why_n);
    unlink(path);
    if (!err)
        tls_context_free(c);
    return err;
}

static void one_that_is_damaged_in_the_middle_is_told(void **state)
{
    struct files *files;
    char why[512];

    (void)state;
    assert_int_equal(files_make(&files), 0);
    assert_int_equal(load(files, -1, why, sizeof why), 0);
    assert_true(load(files, 150, why, sizeof why) < 0);
    assert_non_null(strstr(why, "the CA certificate number 151 in"));
    assert_true(load(files, 0, why, sizeof why) < 0);
    assert_non_null(strstr(why, "there is no CA certificate in"));
    files_free(files);
}

static int make_keys(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        mbedtls_pk_init(&keys[i]);
        if (mbedtls_pk_setup(&keys[i], mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) ||
            mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(keys[i]), weak_random,
                                NULL))
            return -1;
    }
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        mbedtls_pk_free(&keys[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_anchor_is_found_by_name),
        cmocka_unit_test(all_of_one_name_are_found),
        cmocka_unit_test(the_case_of_a_name_does_not_matter),
        cmocka_unit_test(a_cross_signed_authority_is_one),
        cmocka_unit_test(a_certificate_of_its_own_is_known),
        cmocka_unit_test(what_is_damaged_is_not_added),
        cmocka_unit_test(ten_thousand),
        cmocka_unit_test(one_that_is_damaged_in_the_middle_is_told),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
