/* Stands for the file that PocketSphinx's cmake makes from sphinx_config.h.in. */
#include "../config.h"
