"""Autoencoders that divide an image into parts: Slot Attention (NeurIPS 2020) and GENESIS-V2 (NeurIPS 2021)."""

from __future__ import annotations

from lgbench import Generator, Lazy, Method, Segmenter, hookimpl

from .presets import GENESIS, SLOTS

LGBENCH_API = 2

SLOTS_CITATION = """@inproceedings{locatello2020slots,
  title={Object-Centric Learning with Slot Attention},
  author={Locatello, Francesco and Weissenborn, Dirk and Unterthiner, Thomas and Mahendran, Aravindh and
    Heigold, Georg and Uszkoreit, Jakob and Dosovitskiy, Alexey and Kipf, Thomas},
  booktitle={Advances in Neural Information Processing Systems},
  year={2020}
}"""

GENESIS_CITATION = """@inproceedings{engelcke2021genesisv2,
  title={{GENESIS-V2}: Inferring Unordered Object Representations without Iterative Refinement},
  author={Engelcke, Martin and Parker Jones, Oiwi and Posner, Ingmar},
  booktitle={Advances in Neural Information Processing Systems},
  year={2021}
}"""

GAMES = "lgbench_slots.games"


@hookimpl
def generators() -> list[Generator]:
    return [
        Generator(
            name="slot-attention",
            summary="gives an image back as the sum of its slots; cannot sample",
            config=Lazy("lgbench_slots.config:SlotsConfig"),
            build=Lazy("lgbench_slots.slot_attention:SlotPainter"),
            varies=("image", "noise"),
        ),
        Generator(
            name="genesis-v2",
            summary="a mixture of components, each painted from a latent of its own",
            config=Lazy("lgbench_slots.config:GenesisConfig"),
            varies=("image", "noise", "seeds"),
            build=Lazy("lgbench_slots.genesis:Genesis"),
        ),
    ]


@hookimpl
def methods() -> list[Method]:
    slots = Segmenter(
        name="slots", summary="the shares in which slots paint the image", build=Lazy(f"{GAMES}:slots"), paints=True
    )
    components = Segmenter(
        name="components",
        summary="the masks by which the encoder attends to the image's components",
        config=Lazy("lgbench_slots.config:ComponentsConfig"),
        build=Lazy(f"{GAMES}:components"),
        paints=True,
    )
    return [
        Method(
            name="slot-attention",
            summary="slots compete for the pixels of an image and give it back together; K parts, none the background",
            paper="Locatello et al., Object-Centric Learning with Slot Attention, NeurIPS 2020",
            citation=SLOTS_CITATION,
            generator="slot-attention",
            config=Lazy("lgbench_slots.config:SlotsMethod"),
            build=Lazy(f"{GAMES}:slot_attention"),
            segmenter="slots",
            segmenters=(slots,),
            presets=SLOTS,
        ),
        Method(
            name="genesis-v2",
            summary="a variational autoencoder of K components around random seeds; K parts, none the background",
            paper="Engelcke, Parker Jones and Posner, GENESIS-V2, NeurIPS 2021",
            citation=GENESIS_CITATION,
            generator="genesis-v2",
            config=Lazy("lgbench_slots.config:GenesisMethod"),
            build=Lazy(f"{GAMES}:genesis"),
            segmenter="components",
            segmenters=(components,),
            presets=GENESIS,
        ),
    ]
