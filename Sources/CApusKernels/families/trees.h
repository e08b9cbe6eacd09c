/// Walks through ensembles of decision trees.
///
/// A walk is a chain of dependent loads; eight are interleaved to hide their latency: eight rows in
/// one tree, or eight trees for a row that is left over. The step has no branch that depends on data.
#pragma once

#include "vector.h"

#define TREE_LANES 8

/// Whether `x` is one of the sorted values of set `set`.
#define APUS_TREE_MEMBER(SUFFIX, REAL)                                                      \
    static bool tree_member_##SUFFIX(const apus_trees *trees, uint32_t set, REAL x) {        \
        const REAL *values = trees->members;                                                 \
        uint32_t first = trees->member_starts[set], end = trees->member_starts[set + 1];     \
        while (first < end) {                                                                \
            uint32_t middle = first + (end - first) / 2;                                     \
            if (values[middle] == x) return true;                                            \
            if (values[middle] < x) first = middle + 1;                                      \
            else end = middle;                                                               \
        }                                                                                    \
        return false;                                                                        \
    }
APUS_TREE_MEMBER(f32, float)
APUS_TREE_MEMBER(f64, double)

#define TREE_SUFFIX f32
#define TREE_REAL float
#define TREE_NODE apus_tree_node_f32
#define TREE_INDEX uint32_t
#include "trees_walk.h"

#define TREE_SUFFIX f64
#define TREE_REAL double
#define TREE_NODE apus_tree_node_f64
#define TREE_INDEX uint64_t
#include "trees_walk.h"
