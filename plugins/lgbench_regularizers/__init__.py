"""Loss terms and perturbations that any method can switch on with `--with`."""

from lgbench import Lazy, Regularizer, hookimpl

LGBENCH_API = 2

REGULARIZERS = [
    Regularizer(
        name="binarization",
        summary="pushes masks towards 0 and 1",
        paper="Ding et al., NeurIPS 2022 (entropy); Bielski and Favaro, NeurIPS 2019 (min)",
        config=Lazy("lgbench_regularizers.config:BinarizationConfig"),
        build=Lazy("lgbench_regularizers.terms:binarization"),
    ),
    Regularizer(
        name="perturbation",
        summary="moves foregrounds over the background before the critic sees them",
        paper="Bielski and Favaro, NeurIPS 2019 (shift); Yang et al., ELGAN (affine)",
        config=Lazy("lgbench_regularizers.config:PerturbationConfig"),
        build=Lazy("lgbench_regularizers.terms:perturbation"),
    ),
    Regularizer(
        name="mask-size",
        summary="foregrounds cover at least a given share of the image",
        paper="Bielski and Favaro, NeurIPS 2019",
        config=Lazy("lgbench_regularizers.config:MaskSizeConfig"),
        build=Lazy("lgbench_regularizers.terms:mask_size"),
    ),
    Regularizer(
        name="mask-border",
        summary="foregrounds cover at most a given share of the outermost pixels",
        paper="the boundary prior of Wei et al., ECCV 2012, asked of painted masks",
        config=Lazy("lgbench_regularizers.config:MaskBorderConfig"),
        build=Lazy("lgbench_regularizers.terms:mask_border"),
    ),
    Regularizer(
        name="mi-recovery",
        summary="each code must be readable from what shows it (a bound on their mutual information)",
        paper="Ding et al., NeurIPS 2022, Eq. 8 (layers); Yang et al., WACV 2022, Eq. 5 (image and mask)",
        config=Lazy("lgbench_regularizers.config:MIRecoveryConfig"),
        build=Lazy("lgbench_regularizers.terms:mi_recovery"),
        needs=frozenset({"layers", "codes"}),
    ),
    Regularizer(
        name="equivariance",
        summary="a learned offset of the latent does what moving the foreground does",
        paper="Yang et al., ELGAN",
        config=Lazy("lgbench_regularizers.config:EquivarianceConfig"),
        build=Lazy("lgbench_regularizers.equivariance:equivariance"),
    ),
    Regularizer(
        name="background",
        summary="the segmenter of the round before finds nothing in the background layer",
        paper="Yang et al., WACV 2022, Eq. 8",
        config=Lazy("lgbench_regularizers.config:BackgroundConfig"),
        build=Lazy("lgbench_regularizers.terms:background"),
        needs=frozenset({"layers", "rounds"}),
    ),
    Regularizer(
        name="segmentor",
        summary="a segmentor that learns from real images reads the class map off the painted one",
        paper="Jiang et al., Spatially Constrained Generative Adversarial Networks, Eq. 9",
        config=Lazy("lgbench_regularizers.config:SegmentorConfig"),
        build=Lazy("lgbench_regularizers.segmentor:segmentor"),
        needs=frozenset({"segments"}),
    ),
    Regularizer(
        name="layer-independence",
        summary="what a layer shows tells little of what the other hides behind it",
        paper="Zou et al., AAAI 2023 (ILSGAN)",
        config=Lazy("lgbench_regularizers.config:IndependenceConfig"),
        build=Lazy("lgbench_regularizers.independence:layer_independence"),
    ),
    Regularizer(
        name="diff-augment",
        summary="critics see real and painted images with other colours, moved, and with holes",
        paper="Zhao et al., NeurIPS 2020",
        config=Lazy("lgbench_regularizers.config:AugmentConfig"),
        build=Lazy("lgbench_regularizers.augment:diff_augment"),
        needs=frozenset(),
    ),
    Regularizer(
        name="r1",
        summary="the critic is flat around real images",
        paper="Mescheder et al., ICML 2018, Eq. 9; one move in 16, Karras et al., CVPR 2020",
        config=Lazy("lgbench_regularizers.config:R1Config"),
        build=Lazy("lgbench_regularizers.critics:r1"),
        needs=frozenset(),
    ),
    Regularizer(
        name="spectral-norm",
        summary="no convolution of the critic stretches anything, for methods whose paper leaves the norm open",
        paper="Miyato et al., ICLR 2018",
        config=Lazy("lgbench_regularizers.config:SpectralConfig"),
        build=Lazy("lgbench_regularizers.critics:spectral"),
        needs=frozenset(),
    ),
]


@hookimpl
def regularizers() -> list[Regularizer]:
    return REGULARIZERS
