"""The first module that the server of children imports: no collections while others are."""

import gc

gc.disable()
