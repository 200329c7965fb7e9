/*
 * kdf.c
 *    Vectors: HKDF (RFC 5869), HMAC-SHA-256 (RFC 4231), AES-256 (FIPS 197), and
 *    niji's own, so that what is stored can never drift unnoticed.
 *
 * kdf_mac_open() takes keys of 32 bytes.  HMAC fills a shorter key with zeros
 * and hashes one that is longer than a block, so the RFC's other lengths reach
 * the same code after one of these.
 *
 * niji's own vectors were computed apart from this code, from docs/keys.md and
 * docs/pseudonyms.md, with Python's hmac and the openssl program.
 *
 * unit: src/identity/kdf.c
 * unit: src/identity/base32.c
 */
#include "postgres.h"

#include "identity/base32.h"
#include "identity/kdf.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "../fuzz/port.h"

#undef printf
#undef sprintf

static int	number = 0;
static int	failures = 0;

static void
ok(bool good, const char *name)
{
	number++;
	failures += !good;
	printf("%sok %d - %s\n", good ? "" : "not ", number, name);
}

/* hexadecimal digits to bytes, in a buffer of its own for each of a few calls */
static const uint8 *
bytes(const char *hex, size_t *length)
{
	static uint8 buffers[8][256];
	static int	turn = 0;
	uint8	   *out = buffers[turn++ % 8];
	size_t		n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++)
	{
		unsigned	value;

		sscanf(hex + 2 * i, "%2x", &value);
		out[i] = (uint8) value;
	}
	if (length)
		*length = n;
	return out;
}

static bool
same(const uint8 *got, const char *hex)
{
	size_t		length;
	const uint8 *expected = bytes(hex, &length);

	return memcmp(got, expected, length) == 0;
}

/* ---- RFC 5869, appendix A.1 to A.3 (those of SHA-256) ---- */

static void
hkdf(const char *name, const char *key, const char *salt, const char *info, const char *expected)
{
	size_t		key_length;
	size_t		salt_length;
	size_t		info_length;
	const uint8 *k = bytes(key, &key_length);
	const uint8 *s = bytes(salt, &salt_length);
	const uint8 *i = bytes(info, &info_length);
	uint8		out[128];

	ok(kdf_hkdf_general(k, key_length, s, salt_length, i, info_length, out, strlen(expected) / 2) &&
	   same(out, expected), name);
}

static void
rfc_5869(void)
{
	hkdf("RFC 5869 A.1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
		 "f0f1f2f3f4f5f6f7f8f9",
		 "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
	hkdf("RFC 5869 A.2",
		 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
		 "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
		 "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f"
		 "909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
		 "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
		 "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
		 "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
		 "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
	hkdf("RFC 5869 A.3", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
		 "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

/* ---- RFC 4231, section 4 ---- */

static void
mac(const char *name, const char *key, const char *data, const char *expected)
{
	size_t		key_length;
	size_t		data_length;
	const uint8 *k = bytes(key, &key_length);
	const uint8 *d = bytes(data, &data_length);
	uint8		whole[KDF_KEY_LENGTH] = {0};
	uint8		once[32];
	uint8		again[32];
	KdfMac	   *context;
	bool		good;

	if (key_length <= KDF_KEY_LENGTH)
		memcpy(whole, k, key_length);
	else
		SHA256(k, key_length, whole);
	context = kdf_mac_open(whole);
	/* in one piece, in two, and with the context used before */
	good = context != NULL && kdf_mac(context, d, data_length, NULL, 0, once);
	for (size_t cut = 0; good && cut <= data_length; cut++)
		good = kdf_mac(context, d, cut, d + cut, data_length - cut, again) && memcmp(once, again, 32) == 0;
	if (context)
		kdf_mac_close(context);
	ok(good && same(once, expected), name);
}

#define AA_131 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void
rfc_4231(void)
{
	mac("RFC 4231 4.2", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	mac("RFC 4231 4.3", "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	mac("RFC 4231 4.4", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
		"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	mac("RFC 4231 4.5", "0102030405060708090a0b0c0d0e0f10111213141516171819",
		"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
		"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
	mac("RFC 4231 4.6 (its 128 bits)", "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
		"546573742057697468205472756e636174696f6e", "a3b6167473100ee06e0c796c2955552b");
	mac("RFC 4231 4.7", AA_131,
		"54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579"
		"204669727374", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	mac("RFC 4231 4.8", AA_131,
		"5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b65"
		"7920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565"
		"647320746f20626520686173686564206265666f7265206265696e6720757365642062792074686520484d414320616c"
		"676f726974686d2e", "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

/* ---- AES-256, one block, as domain.c sets it up ---- */

static bool
aes(const uint8 *key, const uint8 in[16], uint8 out[16])
{
	EVP_CIPHER_CTX *encrypt = EVP_CIPHER_CTX_new();
	EVP_CIPHER_CTX *decrypt = EVP_CIPHER_CTX_new();
	uint8		back[16];
	int			length;
	bool		good;

	good = EVP_EncryptInit_ex(encrypt, EVP_aes_256_ecb(), NULL, key, NULL) == 1 &&
		EVP_DecryptInit_ex(decrypt, EVP_aes_256_ecb(), NULL, key, NULL) == 1 &&
		EVP_CIPHER_CTX_set_padding(encrypt, 0) == 1 && EVP_CIPHER_CTX_set_padding(decrypt, 0) == 1 &&
		EVP_EncryptUpdate(encrypt, out, &length, in, 16) == 1 && length == 16 &&
		EVP_DecryptUpdate(decrypt, back, &length, out, 16) == 1 && length == 16 &&
		memcmp(in, back, 16) == 0;
	EVP_CIPHER_CTX_free(encrypt);
	EVP_CIPHER_CTX_free(decrypt);
	return good;
}

static void
fips_197(void)
{
	uint8		out[16];

	ok(aes(bytes("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", NULL),
		   bytes("00112233445566778899aabbccddeeff", NULL), out) &&
	   same(out, "8ea2b7ca516745bfeafc49904b496089"), "FIPS 197 C.3: AES-256, both ways");
}

/* ---- niji's own ---- */

static uint8 master[2][KDF_KEY_LENGTH];	/* 00 to 1f, 20 to 3f */
static uint8 salt[3][KDF_SALT_LENGTH];	/* 80 to 9f, a0 to bf, c0 to df */

static void
use_of(const char *use, const char *expected)
{
	char		name[64];
	uint8		out[KDF_KEY_LENGTH];

	sprintf(name, "niji: the key for the use %s", use);
	ok(kdf_hkdf(master[0], salt[0], use, out) && same(out, expected), name);
}

static void
digests(void)
{
	/* kind 2 (patient), 0110113719:0001 */
	static const uint8 input[] = "niji digest v1\0\0\0\4\0\0\0\2" "0110113719:0001";
	uint8		key[KDF_KEY_LENGTH];
	uint8		full[32];
	KdfMac	   *context;

	ok(kdf_hkdf(master[0], salt[0], "digest", key) && (context = kdf_mac_open(key)) != NULL &&
	   kdf_mac(context, input, 22, input + 22, sizeof(input) - 1 - 22, full) &&
	   same(full, "4ae2472ddfb2db53eaaf06a41214a12d"), "niji: a digest of generation 1");
	kdf_mac_close(context);
	ok(kdf_hkdf(master[1], salt[1], "digest", key) && (context = kdf_mac_open(key)) != NULL &&
	   kdf_mac(context, full, 16, NULL, 0, full) &&
	   same(full, "a45ff1a85695aa69e6474705a783c21f"), "niji: and of generation 2, in place");
	kdf_mac_close(context);
}

static void
pseudonym_of(uint8 class, int64 value, const char *expected)
{
	char		name[96];
	char		text[PSEUDONYM_TEXT];
	uint8		key[KDF_KEY_LENGTH];
	uint8		block[16] = {class};
	uint8		out[16];
	uint8		back[16];

	for (int i = 0; i < 8; i++)
		block[1 + i] = (uint8) (value >> (56 - 8 * i));
	sprintf(name, "niji: the pseudonym of class %d, value %lld", class, (long long) value);
	ok(kdf_hkdf(master[0], salt[2], "pseudonym", key) && aes(key, block, out) &&
	   (base32_format(out, text), memcmp(text, expected, PSEUDONYM_TEXT) == 0) &&
	   base32_parse(expected, PSEUDONYM_TEXT, back) == PSEUDONYM_OK && memcmp(back, out, 16) == 0, name);
}

int
main(void)
{
	for (int i = 0; i < 32; i++)
	{
		master[0][i] = i;
		master[1][i] = 0x20 + i;
		salt[0][i] = 0x80 + i;
		salt[1][i] = 0xa0 + i;
		salt[2][i] = 0xc0 + i;
	}
	printf("1..24\n");
	rfc_5869();
	rfc_4231();
	fips_197();
	use_of("pseudonym", "1e0e9c96507d6dbacc79d172165ffcc8b1e1984872a9867fe43d0593028725c1");
	use_of("digest", "83622bc21ce29eaa0d1e24f1d06d808c4ff08137d1c40f3e340b1c372f96cf67");
	use_of("quarantine", "81d16dee16feb07188e61c95ad2806727474934ebdbbbff054eff20dd0ed858d");
	use_of("check", "481f8b0782ca44102cc322c643a092ce20db7f0f90431ffb4355621a800b0f9a");
	use_of("commitment", "2697d773a9999466bcc68e68f5bb97c4513665b2a8b6381f53480eb5f773c421");
	use_of("fingerprint", "833f63d3cbc78796f42b5884c672b2940db5e662181485c0ed59eacbe3330c19");
	{
		uint8		out[KDF_KEY_LENGTH];

		ok(!kdf_hkdf(master[0], salt[0], "a use whose name is so long that it does not fit the info string", out),
		   "niji: a use that does not fit is refused");
	}
	digests();
	pseudonym_of(1, 1, "1WVA4Q76Y22372GJ3PBEFMNJJHE9");
	pseudonym_of(1, 42, "7KKJWM3DGVJDE618ZTQ47H5AWVA8");
	pseudonym_of(1, 2147483647, "7879NDNP37BAN5BM2N0EMJNE40YN");
	pseudonym_of(4, 1, "459SRNNESWZYMV4DHVEREYTTHHYR");
	return failures > 0;
}
