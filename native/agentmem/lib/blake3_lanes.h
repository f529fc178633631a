/* The rounds of BLAKE3 in whole vectors, one lane a chunk. Internal to blake3_avx*.c.
 *
 * The includer names ADD, XOR and the turns TURN16, TURN12, TURN8, TURN7 of its vectors, and has the
 * state in v[16] and the message in m[16]. Four mixings go side by side, step by step: compilers keep
 * that in registers. */

/* Half a mixing of four columns or diagonals; the first words of each are v[0] to v[3]. */
#define ADD_WORD(i, x) v[i] = ADD(v[i], m[x]);
#define ADD_ROW(i, j) v[i] = ADD(v[i], v[j]);
#define XOR_TURN(i, j, TURN) v[i] = TURN(XOR(v[i], v[j]));

#define HALF(b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, x0, x1, x2, x3, FIRST, SECOND) \
    ADD_WORD(0, x0) ADD_WORD(1, x1) ADD_WORD(2, x2) ADD_WORD(3, x3) \
    ADD_ROW(0, b0) ADD_ROW(1, b1) ADD_ROW(2, b2) ADD_ROW(3, b3) \
    XOR_TURN(d0, 0, FIRST) XOR_TURN(d1, 1, FIRST) XOR_TURN(d2, 2, FIRST) XOR_TURN(d3, 3, FIRST) \
    ADD_ROW(c0, d0) ADD_ROW(c1, d1) ADD_ROW(c2, d2) ADD_ROW(c3, d3) \
    XOR_TURN(b0, c0, SECOND) XOR_TURN(b1, c1, SECOND) XOR_TURN(b2, c2, SECOND) XOR_TURN(b3, c3, SECOND)

#define ROUND_LANES(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15) \
    HALF(4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, m0, m2, m4, m6, TURN16, TURN12) \
    HALF(4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, m1, m3, m5, m7, TURN8, TURN7) \
    HALF(5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14, m8, m10, m12, m14, TURN16, TURN12) \
    HALF(5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14, m9, m11, m13, m15, TURN8, TURN7)
