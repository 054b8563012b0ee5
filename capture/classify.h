#include "kernel/classify.h"
