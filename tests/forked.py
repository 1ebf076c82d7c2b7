"""What happens in a forked process."""

import os
import threading


def in_child(work) -> str:
    """Do something in a forked process; return what it says, or "hung"."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(into, str(work()).encode())
        except BaseException as error:
            os.write(into, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(into)
    said: list[bytes] = []
    reader = threading.Thread(target=lambda: said.append(os.read(out, 4096)), daemon=True)
    reader.start()
    reader.join(60)
    if not said:
        os.kill(child, 9)
    os.waitpid(child, 0)
    os.close(out)
    return said[0].decode() if said else "hung"
