#!/bin/sh
# Checks a real GPU within ten minutes: under compute-sanitizer at tiny size, plain at the sizes of real models, and in a
# race against the Hugging Face Trainer where Python has it.
#
#     cargo build --release --package tagsmith --package tagsmith-bench && MODEL=bert TRAIN=train.conll DEV=dev.conll bench/device_check.sh > device_check.txt
#
# MODEL is a folder such as `bench/shapes.py bert-base` writes; without it there is no race. DEVICE (cuda:0) and LIBRARIES, a
# folder of NVIDIA's libraries, may be set too. It has never run on a real GPU.
set -u
cd "$(dirname "$0")/.."
bench=${BENCH:-target/release/tagsmith-bench}
tagsmith=${TAGSMITH:-target/release/tagsmith}
device=${DEVICE:-cuda:0}
libraries=${LIBRARIES:+--cuda-libraries $LIBRARIES}
failed=0

part() {
    title=$1 seconds=$2
    shift 2
    echo "== $title"
    timeout "$seconds" "$@"
    status=$?
    [ $status -eq 0 ] || { echo "== $title: status $status (124: it took more than $seconds s)"; failed=1; }
}

part "what is there" 30 "$tagsmith" env ${LIBRARIES:+--cuda_libraries "$LIBRARIES"}
# Words of $libraries are two options.
# shellcheck disable=SC2086
part "plain" 180 "$bench" --device-check --device "$device" $libraries
if command -v compute-sanitizer > /dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do
        # shellcheck disable=SC2086
        part "$tool" 60 compute-sanitizer --tool "$tool" --error-exitcode 3 \
            "$bench" --device-check --tiny --device "$device" $libraries
    done
else
    echo "== compute-sanitizer is not here: it comes with CUDA's toolkit"
fi
if [ -n "${MODEL:-}" ] && python3 -c "import torch, transformers, datasets, seqeval" 2> /dev/null; then
    for batch in 32 256; do
        part "race, batches of $batch" 70 python3 bench/race.py --tagsmith "$tagsmith" --model "$MODEL" --train "$TRAIN" \
            --dev "$DEV" --batch "$batch" --steps 60 --rounds 1 --theirs="--bf16 --gpu" \
            --ours="--bf16 --device $device ${LIBRARIES:+--cuda_libraries $LIBRARIES}"
    done
else
    echo "== no race: MODEL is not set, or Python lacks torch, transformers, datasets or seqeval"
fi
exit $failed
