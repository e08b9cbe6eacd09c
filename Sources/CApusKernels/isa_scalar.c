/// Portable kernels: any CPU.
#define APUS_LANES 4
#define APUS_PANEL_VECTORS 4
#define APUS_TILE_ROWS 2
#include "families/table.h"
#include "tables.h"

const apus_kernel_table apus_table_scalar = APUS_KERNEL_TABLE("scalar");
