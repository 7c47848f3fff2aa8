#!/bin/sh
# From CMU-MOSI's files to a trained run, a grid and its report, as docs/mosi.md tells.
#
#     sh examples/train_mosi.sh CMU_MOSI glove.txt
#
# Stopped, and given again, it goes on where it was.
set -eu
corpus=${1:?the folder of the .csd files} glove=${2:?the file of word vectors}
[ -d records ] || mmtrans convert "$corpus" records --glove "$glove"
mmtrans inspect records --verify
mmtrans train --data records --recipe T --run words
echo T > rows.txt
mmtrans grid --data records --out grid --recipes rows.txt --seeds 2 --jobs 2
mmtrans report grid
