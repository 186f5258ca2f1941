"""CIFAR-100: 60,000 colour images of 32 x 32 pixels, a hundred classes (the fine ones).

Krizhevsky 2009. Not for small models: 500 training images a class.
"""

from pathlib import Path

from tasks.core.schema import Table
from tasks.ingest.pictures import known
from tasks.ingest.pictures.known import Params
from tasks.ingest.reading import Reading

__all__ = ["Params"]
ORIGIN = "remote"
FOLDER = True
LIBRARIES = ("numpy", "pillow", "polars")
NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch
crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house
kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark
shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table
tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
SET = known.Known(
    name="cifar100",
    classes=tuple(NAMES.split()),
    shape=(32, 32, 3),
    url="https://www.cs.toronto.edu/~kriz/",
    files={"cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8"},
    licence="none stated",
)


def origin(params: Params, source: Path | None) -> str:
    """Return a digest of the user's files, else of the checksums of the download."""
    return known.origin(SET, source)


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Write images.parquet, from the user's files or from the origin."""
    known.fetch(SET, params, source, folder)


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return image (32, 32, 3), label and split."""
    return known.read(SET.licence, raw, table, "CIFAR-100")
