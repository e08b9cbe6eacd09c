// Included by trees.h for each type that features and thresholds have: TREE_REAL.

#define TREE_NAME_OF(NAME, SUFFIX) tree_##NAME##_##SUFFIX
#define TREE_EXPAND(NAME, SUFFIX) TREE_NAME_OF(NAME, SUFFIX)
#define TREE(NAME) TREE_EXPAND(NAME, TREE_SUFFIX)

/// What a node's threshold holds as a number: a leaf's index or a set's.
APUS_INLINE uint32_t TREE(index)(const TREE_NODE *node) {
    TREE_INDEX bits;
    memcpy(&bits, &node->threshold, sizeof bits);
    return (uint32_t)bits;
}

/// The node after `node` for a feature value `x`. `mode` and `has_missing` are constants of the
/// caller; mode -1 reads the node's own.
APUS_INLINE uint32_t TREE(next)(const apus_trees *trees, const TREE_NODE *node, TREE_REAL x,
                                int mode, bool has_missing) {
    TREE_REAL t = node->threshold;
    uint32_t bits = node->bits;
    bool goes = false;
    switch (mode >= 0 ? mode : (int)(bits >> APUS_TREE_MODE_SHIFT & 7)) {
        case APUS_TREE_LEQ: goes = x <= t; break;
        case APUS_TREE_LT: goes = x < t; break;
        case APUS_TREE_GTE: goes = x >= t; break;
        case APUS_TREE_GT: goes = x > t; break;
        case APUS_TREE_EQ: goes = x == t; break;
        case APUS_TREE_NEQ: goes = x != t; break;
        case APUS_TREE_MEMBER: goes = TREE(member)(trees, TREE(index)(node), x); break;
        default: break;
    }
    uint32_t is_true = goes;
    if (has_missing) is_true |= (uint32_t)(x != x) & bits >> APUS_TREE_MISSING_SHIFT;
    return node->child + (bits & ~is_true & APUS_TREE_INNER);
}

/// Eight walks from `roots[lane * root_step]` with the features at `x + lane * row_step`.
APUS_INLINE void TREE(lanes)(const apus_trees *trees, const uint32_t *roots, size_t root_step,
                             const TREE_REAL *x, int64_t row_step, int mode, bool has_missing,
                             uint32_t *leaves, size_t leaf_step, size_t count) {
    const TREE_NODE *nodes = trees->nodes;
    uint32_t at[TREE_LANES];
    for (size_t l = 0; l < TREE_LANES; l++) at[l] = roots[(l < count ? l : 0) * root_step];
    uint32_t inner;
    do {
        inner = 0;
        for (int64_t l = 0; l < TREE_LANES; l++) {
            const TREE_NODE *node = nodes + at[l];
            TREE_REAL value = x[l * row_step + (int64_t)(node->bits >> APUS_TREE_FEATURE_SHIFT)];
            at[l] = TREE(next)(trees, node, value, mode, has_missing);
            inner |= nodes[at[l]].bits;
        }
    } while (inner & APUS_TREE_INNER);
    for (size_t l = 0; l < count; l++) leaves[l * leaf_step] = TREE(index)(nodes + at[l]);
}

APUS_INLINE void TREE(walk)(const apus_trees *trees, size_t first, size_t last,
                            const TREE_REAL *x, int64_t row_stride, size_t rows, int mode,
                            bool has_missing, uint32_t *leaves) {
    size_t width = last - first;
    const uint32_t *roots = trees->roots + first;
    size_t row = 0;
    for (; row + TREE_LANES <= rows; row += TREE_LANES) {
        for (size_t t = 0; t < width; t++) {
            TREE(lanes)(trees, roots + t, 0, x + (int64_t)row * row_stride, row_stride, mode,
                        has_missing, leaves + row * width + t, width, TREE_LANES);
        }
    }
    for (; row < rows; row++) {
        for (size_t t = 0; t < width; t += TREE_LANES) {
            size_t count = width - t < TREE_LANES ? width - t : TREE_LANES;
            TREE(lanes)(trees, roots + t, 1, x + (int64_t)row * row_stride, 0, mode, has_missing,
                        leaves + row * width + t, 1, count);
        }
    }
}

static void TREE(leaves)(const apus_trees *trees, size_t first, size_t last, const TREE_REAL *x,
                         int64_t row_stride, size_t rows, uint32_t *leaves) {
    bool missing = trees->has_missing;
    if (trees->mode == APUS_TREE_LEQ && !missing) {
        TREE(walk)(trees, first, last, x, row_stride, rows, APUS_TREE_LEQ, false, leaves);
    } else if (trees->mode == APUS_TREE_LEQ) {
        TREE(walk)(trees, first, last, x, row_stride, rows, APUS_TREE_LEQ, true, leaves);
    } else if (trees->mode == APUS_TREE_LT && !missing) {
        TREE(walk)(trees, first, last, x, row_stride, rows, APUS_TREE_LT, false, leaves);
    } else if (trees->mode == APUS_TREE_LT) {
        TREE(walk)(trees, first, last, x, row_stride, rows, APUS_TREE_LT, true, leaves);
    } else {
        TREE(walk)(trees, first, last, x, row_stride, rows, -1, true, leaves);
    }
}

#undef TREE
#undef TREE_EXPAND
#undef TREE_NAME_OF
#undef TREE_SUFFIX
#undef TREE_REAL
#undef TREE_NODE
#undef TREE_INDEX
