/// OpenBLAS, always single-threaded: the split over threads is the plan's.
#include <cblas.h>

#include "include/apus_kernels.h"

const char *apus_blas_core_name(void) { return openblas_get_corename(); }

void apus_blas_use_one_thread(void) { openblas_set_num_threads(1); }

static CBLAS_TRANSPOSE operation(bool is_transposed) {
    return is_transposed ? CblasTrans : CblasNoTrans;
}

void apus_blas_sgemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha,
                     const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                     size_t ldc) {
    cblas_sgemm(CblasRowMajor, operation(transpose_a), operation(transpose_b), (blasint)m,
                (blasint)n, (blasint)k, alpha, a, (blasint)lda, b, (blasint)ldb, beta, c,
                (blasint)ldc);
}

void apus_blas_dgemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                     double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                     double beta, double *c, size_t ldc) {
    cblas_dgemm(CblasRowMajor, operation(transpose_a), operation(transpose_b), (blasint)m,
                (blasint)n, (blasint)k, alpha, a, (blasint)lda, b, (blasint)ldb, beta, c,
                (blasint)ldc);
}
