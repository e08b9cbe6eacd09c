#include "placeholder.h"
typedef int placeholder;
