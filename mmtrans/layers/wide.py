"""From which width on the columns of its inputs decide how long a layer takes."""

#: Inputs of so many columns or more are wide. What takes most of their time is done in ways that take less, but give
#: other last bits or draw other masks. Of narrower ones these ways save little: they are read as they always were.
WIDE = 1024
