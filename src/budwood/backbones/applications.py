"""Networks of keras.applications: a rule for each family, an entry for each network.

Parameters and features are those of the network without its classifier; ImageNet top-1 is what Keras publishes (of
MobileNetV3 what its authors measured); hashes are those in Keras's own source, which has none for two of the files.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from budwood.backbones.backbone import Backbone
from budwood.backbones.keras_graphs import KERAS_DROP_CONNECT_RATE, as_built, made_plain
from budwood.backbones.keras_weights import EfficientNetDownload, KerasDownload
from budwood.backbones.preprocessing import centred_bgr, standardised, symmetric, symmetric_by_128

BUCKET = "https://storage.googleapis.com/tensorflow/keras-applications"
KERNELS = "weights_tf_dim_ordering_tf_kernels"
RANGES: dict[Callable[[Any], Any], str] = {
    symmetric: "[-1, 1]",
    symmetric_by_128: "[-1, 0.99]",
    standardised: "ImageNet mean and deviation",
    centred_bgr: "BGR less its mean",
}


def _backbone(
    name: str,
    function: str,
    size: int,
    parameters: int,
    features: int,
    imagenet_top1: float,
    variant: str,
    hash: str | None,
    best_for: str,
    *,
    file: str,
    kept_as: str = "",
    download: type[KerasDownload] = KerasDownload,
    preprocess: Callable[[Any], Any],
    build: Callable[..., Any] = made_plain,
    **rules: Any,
) -> Backbone:
    return Backbone(
        name=name,
        size=size,
        parameters=parameters,
        features=features,
        imagenet_top1=imagenet_top1,
        best_for=best_for,
        preprocess=preprocess,
        input_range=RANGES[preprocess],
        network=partial(build, function=function),
        pretrained=download(file.format(variant), hash, kept_as.format(variant)),
        **rules,
    )


# `file` and `kept_as`: the variant stands where the braces are.
_mobilenet = partial(_backbone, family="MobileNet", build=as_built, preprocess=symmetric)
_mobilenet_v3 = partial(
    _mobilenet,
    build=made_plain,
    file=f"{BUCKET}/mobilenet_v3/weights_mobilenet_v3_{{}}_224_1.0_float_no_top_v2.h5",
    block=r"expanded_conv(?:_\d+)?",
)
_efficientnet = partial(
    _backbone,
    family="EfficientNet",
    # These lie in a bucket of their own.
    file="https://storage.googleapis.com/keras-applications/efficientnet{}_notop.h5",
    download=EfficientNetDownload,
    preprocess=standardised,
    block=r"block\d",
    last="top_activation",
    drop_connect_rate=KERAS_DROP_CONNECT_RATE,
)
_efficientnet_v2 = partial(
    _backbone,
    family="EfficientNetV2",
    file=f"{BUCKET}/efficientnet_v2/efficientnetv2-{{}}_notop.h5",
    block=r"block\d",
    last="top_activation",
    drop_connect_rate=KERAS_DROP_CONNECT_RATE,
)
# Keras builds the small ones to be given what the first EfficientNets are given.
_efficientnet_v2b = partial(_efficientnet_v2, preprocess=standardised)
_efficientnet_v2s = partial(_efficientnet_v2, preprocess=symmetric_by_128)
_resnet = partial(
    _backbone,
    family="ResNet",
    build=as_built,
    file=f"{BUCKET}/resnet/{{}}_{KERNELS}_notop.h5",
    preprocess=centred_bgr,
    block=r"conv\d_block\d+",
    last="conv5_block3_out",
)
_resnet_v2 = partial(_resnet, family="ResNetV2", build=made_plain, preprocess=symmetric, last="post_relu")
_convnext = partial(
    _backbone,
    family="ConvNeXt",
    file=f"{BUCKET}/convnext/convnext_{{}}_notop.h5",
    preprocess=standardised,
    block=r"\w+_stage_(\d_block_\d+)",
    last="layer_normalization",
)
_densenet = partial(
    _backbone,
    family="DenseNet",
    file=f"{BUCKET}/densenet/{{}}_{KERNELS}_notop.h5",
    preprocess=standardised,
    # The authors' dense blocks, each with the transition above it.
    block=r"(conv\d)_block",
    last="relu",
)
_inception = partial(_backbone, file=f"{BUCKET}/{{0}}/{{0}}_{KERNELS}_notop.h5", preprocess=symmetric)
_nasnet = partial(
    _backbone,
    family="NASNet",
    file=f"{BUCKET}/nasnet/NASNet-{{}}-no-top.h5",
    kept_as="nasnet_{}_no_top.h5",
    preprocess=symmetric,
    # A cell also takes what the cell before the last yields: no single tensor passes between two of them.
    block_end=r"stem_bn1|(?:normal|reduction)_concat_\w+",
)
_vgg = partial(
    _backbone,
    family="VGG",
    build=as_built,
    file=f"{BUCKET}/{{0}}/{{0}}_{KERNELS}_notop.h5",
    preprocess=centred_bgr,
    block=r"block\d",
    last="block5_pool",
)

# fmt: off
# name, function, size, parameters, features, ImageNet top-1, variant, hash, what it is good for
APPLICATIONS = (
    _mobilenet("mobilenet_v2", "MobileNetV2", 224, 2_257_984, 1280, 71.3, "1.0_224",
        None, "the tutorials' choice: quick, and small",
        block=r"expanded_conv|block_\d+", last="out_relu",
        file=f"{BUCKET}/mobilenet_v2/mobilenet_v2_{KERNELS}_{{}}_no_top.h5"),
    # A block is a depthwise and a pointwise convolution; its first layer may be padding.
    _mobilenet("mobilenet", "MobileNet", 224, 3_228_864, 1024, 70.4, "1_0_224",
        None, "plain stack without shortcuts: any layer can be a boundary",
        block=r"conv_(?:pad|dw|pw)_(\d+)", last="conv_pw_13_relu",
        file=f"{BUCKET}/mobilenet/mobilenet_{{}}_tf_no_top.h5"),
    _mobilenet_v3("mobilenet_v3_small", "MobileNetV3Small", 224, 939_120, 576, 68.1, "small",
        "d3e8ec802a04aa4fc771ee12a9a9b836", "the smallest: phones and boards", last="activation_17"),
    _mobilenet_v3("mobilenet_v3_large", "MobileNetV3Large", 224, 2_996_352, 960, 75.6, "large",
        "07fb09a5933dd0c8eaafa16978110389", "more accurate than MobileNetV2 for less work", last="activation_19"),
    _efficientnet("efficientnet_b0", "EfficientNetB0", 224, 4_049_564, 1280, 77.1, "b0",
        "50bc09e76180e00e4465e1a485ddc09d", "accurate for its size; slower on a CPU than Lite0"),
    _efficientnet("efficientnet_b1", "EfficientNetB1", 240, 6_575_232, 1280, 79.1, "b1",
        "74c4e6b3e1f6a1eea24c589628592432", "a step above B0"),
    _efficientnet("efficientnet_b2", "EfficientNetB2", 260, 7_768_562, 1408, 80.1, "b2",
        "111f8e2ac8aa800a7a99e3239f7bfb39", "between B1 and B3"),
    _efficientnet("efficientnet_b3", "EfficientNetB3", 300, 10_783_528, 1536, 81.6, "b3",
        "af6d107764bb5b1abb91932881670226", "accuracy that a CPU still bears, at several times the work of B0"),
    _efficientnet("efficientnet_b4", "EfficientNetB4", 380, 17_673_816, 1792, 82.9, "b4",
        "ebc24e6d6c33eaebbd558eafbeedf1ba", "fine detail in large photos; wants patience or a GPU"),
    _efficientnet("efficientnet_b5", "EfficientNetB5", 456, 28_513_520, 2048, 83.6, "b5",
        "38879255a25d3c92d5e44e04ae6cec6f", "for a GPU; EfficientNetV2-S is as good for less"),
    _efficientnet("efficientnet_b6", "EfficientNetB6", 528, 40_960_136, 2304, 84.0, "b6",
        "9ecce42647a20130c1f39a5d4cb75743", "for a GPU; EfficientNetV2-S is as good for less"),
    _efficientnet("efficientnet_b7", "EfficientNetB7", 600, 64_097_680, 2560, 84.3, "b7",
        "cbcfe4450ddf6f3ad90b1b398090fe4a", "the largest photos; EfficientNetV2-M is better for less"),
    _efficientnet_v2b("efficientnet_v2b0", "EfficientNetV2B0", 224, 5_919_312, 1280, 78.7, "b0",
        "893217f2bb855e2983157299931e43ff", "more accurate than B0 at about its cost"),
    _efficientnet_v2b("efficientnet_v2b1", "EfficientNetV2B1", 240, 6_931_124, 1280, 79.8, "b1",
        "0e80663031ca32d657f9caa404b6ec37", "a step above V2-B0"),
    _efficientnet_v2b("efficientnet_v2b2", "EfficientNetV2B2", 260, 8_769_374, 1408, 80.5, "b2",
        "1dfe2e7a5d45b6632553a8961ea609eb", "between V2-B1 and V2-B3"),
    _efficientnet_v2b("efficientnet_v2b3", "EfficientNetV2B3", 300, 12_930_622, 1536, 82.0, "b3",
        "f6abf7b5849ac99a89b50dd3fd532856", "a little more accurate than B3"),
    _efficientnet_v2s("efficientnet_v2s", "EfficientNetV2S", 384, 20_331_360, 1280, 83.9, "s",
        "af0682fb74e8c54910f2d4393339c070", "accuracy first, within reach of a patient CPU"),
    _efficientnet_v2s("efficientnet_v2m", "EfficientNetV2M", 480, 53_150_388, 1280, 85.3, "m",
        "1b8dc055df72dde80d614482840fe342", "accuracy first, on a GPU"),
    _efficientnet_v2s("efficientnet_v2l", "EfficientNetV2L", 480, 117_746_848, 1280, 85.7, "l",
        "b0b66b5c863aef5b46e8608fe1711615", "the most accurate EfficientNet, on a large GPU"),
    _resnet("resnet50", "ResNet50", 224, 23_587_712, 2048, 74.9, "resnet50",
        "4d473c1dd8becc155b73f8504c6f6626", "the classic: large, robust, much studied"),
    _resnet("resnet101", "ResNet101", 224, 42_658_176, 2048, 76.4, "resnet101",
        "88cf7a10940856eca736dc7b7e228a21", "ResNet50 twice as deep; newer networks do more for less"),
    _resnet("resnet152", "ResNet152", 224, 58_370_944, 2048, 76.6, "resnet152",
        "ee4c566cf9a93f14d82f913c2dc6dd0c", "to compare with what was published"),
    _resnet_v2("resnet50_v2", "ResNet50V2", 224, 23_564_800, 2048, 76.0, "resnet50v2",
        "fac2f116257151a9d068a22e544a4917", "ResNet50 with cleaner shortcuts, a little more accurate"),
    _resnet_v2("resnet101_v2", "ResNet101V2", 224, 42_626_560, 2048, 77.2, "resnet101v2",
        "c0ed64b8031c3730f411d2eb4eea35b5", "ResNet50V2 twice as deep"),
    _resnet_v2("resnet152_v2", "ResNet152V2", 224, 58_331_648, 2048, 78.0, "resnet152v2",
        "ed17cf2e0169df9d443503ef94b23b33", "to compare with what was published"),
    _convnext("convnext_tiny", "ConvNeXtTiny", 224, 27_820_128, 768, 81.3, "tiny",
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
        "when accuracy matters and there is a GPU; no BatchNorm to mind"),
    _convnext("convnext_small", "ConvNeXtSmall", 224, 49_454_688, 768, 82.3, "small",
        "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab", "a deeper Tiny"),
    _convnext("convnext_base", "ConvNeXtBase", 224, 87_566_464, 1024, 85.3, "base",
        "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
        "saw ImageNet-21k first: strong frozen features, on a GPU"),
    _convnext("convnext_large", "ConvNeXtLarge", 224, 196_230_336, 1536, 86.3, "large",
        "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd", "saw ImageNet-21k first; a large GPU"),
    _convnext("convnext_xlarge", "ConvNeXtXLarge", 224, 348_147_968, 2048, 86.7, "xlarge",
        "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
        "the most accurate and the largest here: 1.4 GB of weights"),
    _densenet("densenet121", "DenseNet121", 224, 7_037_504, 1024, 75.0, "densenet121",
        "30ee3e1110167f948a6b9946edeeb738", "few parameters, much used on medical pictures"),
    _densenet("densenet169", "DenseNet169", 224, 12_642_880, 1664, 76.2, "densenet169",
        "b8c4d4c20dd625c148057b9ff1c1176b", "a deeper DenseNet121"),
    _densenet("densenet201", "DenseNet201", 224, 18_321_984, 1920, 77.3, "densenet201",
        "c13680b51ded0fb44dff2d8f86ac8bb1", "the deepest DenseNet"),
    _inception("xception", "Xception", 299, 20_861_480, 2048, 79.0, "xception",
        "b0042744bf5b25fce3cb969f33bebb97", "solid accuracy at 299 px; the tutorials' larger network",
        family="Xception", block=r"block\d+", last="block14_sepconv2_act", min_size=71),
    _inception("inception_v3", "InceptionV3", 299, 21_802_784, 2048, 77.9, "inception_v3",
        "bcbd6486424b2319ff4ef7d526e38f63", "quicker than its size says; much used in older work",
        family="Inception", block_end=r"max_pooling2d_1|mixed\d+", last="mixed10", min_size=75),
    _inception("inception_resnet_v2", "InceptionResNetV2", 299, 54_336_736, 1536, 80.3, "inception_resnet_v2",
        "d19885ff4a710c122648d3b5c3b684e4", "the most accurate Inception; heavy",
        family="InceptionResNet", last="conv_7b_ac", min_size=75,
        block_end=r"max_pooling2d_1|mixed_\d[ab]|block\d+_\d+_ac|custom_scale_layer_39"),
    _nasnet("nasnet_mobile", "NASNetMobile", 224, 4_269_716, 1056, 74.4, "mobile",
        "1ed92395b5b598bdda52abe5c0dbfd63", "small; its cells cannot be cut apart",
        last="activation_187"),
    _nasnet("nasnet_large", "NASNetLarge", 331, 84_916_818, 4032, 82.5, "large",
        "d81d89dc07e6e56530c4e77faddd61b5", "to compare with what was published; very slow on a CPU",
        last="activation_259"),
    _vgg("vgg16", "VGG16", 224, 14_714_688, 512, 71.3, "vgg16",
        "6d6bbae143d832006294945121d1f1fc", "plain and slow: style, texture, old comparisons"),
    _vgg("vgg19", "VGG19", 224, 20_024_384, 512, 71.3, "vgg19",
        "253f8cb515780f3b799900260a226db6", "VGG16 with three more layers"),
)
# fmt: on
