"""count.py OUTPUT STEPS SIGNAL...: counts, four steps a second; on a signal it saves and ends with exit 75.

`journal` gets a line for each start (job, state) and each step; `state` is saved after every fourth step and on a
signal. While there is a file `hold` it makes no step; while there is a file `asleep` it is not ready for signals. If
another one counts at the same time, `journal` gets a line `overlap`.
"""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

output, steps, *names = sys.argv[1:]
stopping = []
while Path("asleep").exists():
    Path("snores").touch()
    time.sleep(0.1)
for name in names:
    signal.signal(signal.Signals[f"SIG{name}"], lambda number, frame: stopping.append(number))
state = Path("state")


def save(count: int) -> None:
    temporary = Path("state.new")
    temporary.write_text(str(count))
    temporary.replace(state)


done = int(state.read_text()) if state.exists() else 0
with Path("journal").open("a", buffering=1) as journal:
    journal.write(f"start {os.environ.get('SLURM_JOB_ID')} {done}\n")
    alone = os.open("alone", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until this process ends, however that comes
    except BlockingIOError:
        journal.write("overlap\n")
    while done < int(steps):
        time.sleep(0.25)
        if Path("hold").exists() and not stopping:
            continue
        done += 1
        journal.write(f"step {done}\n")
        if stopping or done % 4 == 0:
            save(done)
        if stopping and done < int(steps):
            print("saved at", done, flush=True)
            sys.exit(75)
Path(output).write_text(f"{done} gpus={os.environ.get('CUDA_VISIBLE_DEVICES')}\n")
