"""The last module that the server of children imports: collections leave out all that is there now.

Children then share its memory instead of copying it, and it ends at once instead of after 0.3 s.
"""

import gc

gc.freeze()
gc.enable()
