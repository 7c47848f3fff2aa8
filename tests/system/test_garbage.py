import subprocess
import sys


def test_what_was_imported_is_set_aside_once_and_later_garbage_is_still_collected():
    code = (
        "import gc, weakref\n"
        "from mmtrans.system.garbage import set_imports_aside\n"
        "class Node: pass\n"
        "def in_a_cycle():\n"
        "    node = Node()\n"
        "    node.itself = node\n"
        "    return weakref.ref(node)\n"
        "before = in_a_cycle()\n"
        "set_imports_aside()\n"
        "count = gc.get_freeze_count()\n"
        "after = in_a_cycle()\n"
        "set_imports_aside()\n"
        "gc.collect()\n"
        "print(count > 1000, gc.get_freeze_count() == count, before(), after())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "None", "None"]
