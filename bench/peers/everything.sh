#!/usr/bin/env bash
# All the figures of docs/performance.md: some hours on two cores. One program runs at a time.
set -euo pipefail
run="python3 $(dirname "$0")/run.py"

$run --types q4_0,q8_0,q4_k,q5_k,q6_k,q3_k,iq4_xs,q4_1,q5_0,iq4_nl,q2_k,mxfp4,nf4,int4 --what prefill,decode
$run --types q4_0 --what decode,batch,depth
$run --types q4_0,int4 --what profile --rounds 1
$run --isa avx512_vnni --types int4 --what prefill,decode
$run --shape smollm2 --types q4_1 --what prefill,decode --rounds 5
$run --shape smollm2 --types q4_1 --what profile --rounds 1
$run --isa avx2 --types q4_0,q8_0,q4_k --what prefill,decode
$run --isa avx2 --shape smollm2 --types q4_1 --what prefill,decode --rounds 5
