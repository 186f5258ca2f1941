"""Sets of labelled images, in the forms in which they are passed on."""
