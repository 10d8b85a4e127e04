"""Stages of learning from few labelled blocks and many unlabelled ones, each a plain function.

seeding: labels without a network, by a filter. flips: probabilities averaged. filters: a network's probabilities to
pseudo-labels. admission: which blocks are learnt from next, and with what weight. stopping: when to stop, which round to
keep, when to give up.

Volumes are (z, y, x), images (y, x); a volume of one plane is an image: drop its first axis. Labels are uint8, BACKGROUND,
FOREGROUND and IGNORE. Rounds count from 1, round 0 being the seeding.
"""
