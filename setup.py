"""Package of mmtrans: `mmtrans` and `tfrecords` are installed, `tools` and `tests` are run from a checkout."""

import re
from pathlib import Path

from setuptools import find_packages, setup

# Keras 3.0-3.7 did not exchange gradients correctly under tf.distribute.MirroredStrategy.
BROKEN_KERAS = ",".join(f"!=3.{minor}.*" for minor in range(8))

REQUIRED = [
    "tensorflow>=2.15.1,<2.22",
    f"keras>=2.15,<4,{BROKEN_KERAS}",
    "keras-tuner>=1.4.8",
    "tensorboard>=2.15",
    "distributed>=2025.1",
    "numpy>=1.26",
    "google-crc32c>=1.5",
    "h5py>=3.11",
    "scipy>=1.11",
    "scikit-learn>=1.3",
    "matplotlib>=3.8",
    "jinja2>=3.1",
    "msgspec>=0.20",
    "pyyaml>=6.0",
    "rich>=13.7",
    "sacrebleu>=2.4",
    "safetensors>=0.4.5",
    "shtab>=1.7",
    "tokenizers>=0.21",
]

CLASSIFIERS = [
    "Environment :: Console",
    "Intended Audience :: Science/Research",
    "License :: OSI Approved :: Apache Software License",
    "Operating System :: POSIX :: Linux",
    "Programming Language :: Python :: 3 :: Only",
    *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
    "Topic :: Scientific/Engineering :: Artificial Intelligence",
    "Topic :: Text Processing :: Linguistic",
    "Typing :: Typed",
]

EXTRAS = {
    "test": [
        "pytest>=8",
        "pytest-xdist>=3.7",
        "hypothesis>=6.100",
        "pandas>=2.2",
        "nbclient>=0.10",
        "ipykernel>=6.29",
        "vl-convert-python>=1.9",
        "playwright>=1.60",
        "axe-playwright-python>=0.1.8",
    ],
    "dev": [
        "ruff>=0.6",
        "basedpyright>=1.40",
        "codespell>=2.4",
        "pre-commit>=4",
        "pre-commit-hooks>=6",
        "pytest-cov>=7",
    ],
    "clips": ["av>=17", "pocketsphinx>=5.0.4", "ai-edge-litert>=2", "pillow>=10"],
    "asr": ["faster-whisper>=1.2"],
    "explore": ["vl-convert-python>=1.9"],
    "notebook": ["pandas>=2.2", "vl-convert-python>=1.9"],
    "hub": ["huggingface_hub>=0.30"],
    "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.7,<10", "mkdocstrings[python]>=1", "ruff>=0.6"],
    "cuda": ["tensorflow[and-cuda]>=2.15.1,<2.22"],
    "addons": ["tensorflow-addons==0.23.0", "tensorflow>=2.15.1,<2.16", "keras>=2.15,<2.16", "setuptools<81"],
}

# Read, not imported: a package that is being built may lack what it needs.
VERSION = re.findall(r'^__version__ = "(.+)"$', Path("mmtrans/__init__.py").read_text(encoding="utf-8"), re.MULTILINE)

setup(
    name="mmtrans",
    version=VERSION[0],
    author="mmtrans authors",
    description="Multimodal sequence-to-sequence sentiment analysis",
    keywords="multimodal sentiment analysis, sequence-to-sequence, machine translation, CMU-MOSI, TensorFlow, Keras",
    classifiers=CLASSIFIERS,
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["mmtrans", "mmtrans.*", "tfrecords", "tfrecords.*"]),
    package_data={
        "mmtrans": ["py.typed"],
        "mmtrans.config": ["presets/*.yaml"],
        "mmtrans.explore": ["assets/*"],
        "mmtrans.report": ["*.j2"],
        "tfrecords": ["py.typed"],
    },
    install_requires=REQUIRED,
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [
            "mmtrans = mmtrans.cli.main:main",
            "mmtrans-train = mmtrans.cli.main:main_train",
        ]
    },
)
