"""How many images each class of AID has, and the paper's split of them."""

import hashlib
from collections.abc import Iterable, Sequence

AID_COUNTS = {
    "Airport": 360,
    "BareLand": 310,
    "BaseballField": 220,
    "Beach": 400,
    "Bridge": 360,
    "Center": 260,
    "Church": 240,
    "Commercial": 350,
    "DenseResidential": 410,
    "Desert": 300,
    "Farmland": 370,
    "Forest": 250,
    "Industrial": 390,
    "Meadow": 280,
    "MediumResidential": 290,
    "Mountain": 340,
    "Park": 350,
    "Parking": 390,
    "Playground": 370,
    "Pond": 420,
    "Port": 380,
    "RailwayStation": 260,
    "Resort": 290,
    "River": 410,
    "School": 300,
    "SparseResidential": 300,
    "Square": 330,
    "Stadium": 290,
    "StorageTanks": 360,
    "Viaduct": 420,
}
GOLDEN_FINGERPRINT = "822fbbdee6456a9a"


def fingerprint_of(split: Iterable[Sequence[str]]) -> str:
    return hashlib.sha256("\n".join(map("\n".join, split)).encode()).hexdigest()[:16]


def files_by_class(files: Sequence[str]) -> dict[str, list[str]]:
    """Group ``Archive.files`` by class folder, as ``paper_split`` takes them."""
    groups: dict[str, list[str]] = {}
    for file in files:
        groups.setdefault(file.split("/")[0], []).append(file)
    return groups
