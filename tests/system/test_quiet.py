import subprocess
import sys


def test_the_commands_import_keras_alone_and_find_what_it_left_out():
    code = (
        "import gc, sys\n"
        "from mmtrans.system.quiet import import_tensorflow\n"
        "import_tensorflow()\n"
        "print(sorted({'keras', 'matplotlib', 'pandas', 'sklearn'} & set(sys.modules)))\n"
        "print(gc.isenabled())\n"
        "import matplotlib.figure, sklearn.base\n"
        "print(matplotlib.figure.Figure.__name__, sklearn.base.BaseEstimator.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['keras']", "True", "Figure BaseEstimator"]
