"""Networks of keras.applications as the contract wants them: flat, of plain layers, named alike in every build.

Keras's own graphs hold layers that are private to one network, which a saved model cannot be loaded with in safe mode;
operators between tensors, which are no layers at all; models within the model; and names numbered on through a session.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from budwood.backbones.naming import own_names
from budwood.backbones.seeds import derive_seed

if TYPE_CHECKING:
    import keras

KERAS_DROP_CONNECT_RATE = 0.2
"""What Keras builds every EfficientNet with; its functions take no other."""


def as_built(x: Any, function: str) -> Any:
    """Add a network of keras.applications to a tensor of preprocessed pixels as it is.

    For those whose layers are all plain, all named, and none of them preprocessing: it takes half of the time.

    Args:
        x: Keras tensor `(None, size, size, 3)`.
        function: its name in `keras.applications`.

    Returns:
        The feature map.
    """
    import keras

    return getattr(keras.applications, function)(include_top=False, weights=None, input_tensor=x).output


def made_plain(x: Any, function: str, drop_connect_rate: float | None = None, seed: int = 0) -> Any:
    """Add a network of keras.applications, without its own preprocessing, to a tensor of preprocessed pixels.

    Args:
        x: Keras tensor `(None, size, size, 3)`.
        function: its name in `keras.applications`.
        drop_connect_rate: stochastic depth, where the network has it; None leaves the rates as Keras set them.
        seed: decides what dropout draws.

    Returns:
        The feature map. Every layer is one of `keras.layers`, under the name that it has in a session of its own.

    >>> import keras
    >>> model = keras.Model(pixels := keras.Input((75, 75, 3)), made_plain(pixels, "InceptionV3"))
    >>> [layer.name for layer in model.layers[1:4]]
    ['conv2d', 'batch_normalization', 'activation']
    """
    import keras
    from keras import layers

    built = getattr(keras.applications, function)(include_top=False, weights=None, input_shape=x.shape[1:])
    names = own_names(built.operations)
    dropout = [layer.name for layer in built.layers if isinstance(layer, layers.Dropout)]
    # Keras counts the blocks of EfficientNetV2-B1 to B3 too few, and skips the topmost more often than it is asked to.
    highest = max([KERAS_DROP_CONNECT_RATE, *(built.get_layer(name).rate for name in dropout)])

    def copied(layer: "keras.layers.Layer") -> "keras.layers.Layer":
        config = layer.get_config() | {"name": names.get(layer.name, layer.name)}
        if layer.name in dropout:
            config["seed"] = derive_seed(seed, dropout.index(layer.name))
            if drop_connect_rate is not None:
                config["rate"] *= drop_connect_rate / highest
        return type(layer).from_config(config)

    def call(operation: Any, *arguments: Any, **options: Any) -> Any:
        x = arguments[0]
        if isinstance(operation, layers.Rescaling | layers.Normalization):
            # The preprocessing is done already.
            return x
        if isinstance(operation, keras.Sequential):
            for layer in operation.layers:
                x = copied(layer)(x)
            return x
        known = PRIVATE_LAYERS if isinstance(operation, layers.Layer) else OPERATORS
        if (stand_in := known.get(type(operation).__name__)) is not None:
            return stand_in(names[operation.name], operation, *arguments)
        return copied(operation)(*arguments, **options)

    # `keras.models.clone_model` would copy the graph once more, onto an input of its own.
    tensors = {id(built.input): x}
    for operation in built.operations[1:]:
        node = operation._inbound_nodes[-1]
        arguments, options = node.arguments.fill_in(tensors)
        tensors[id(node.output_tensors[0])] = call(operation, *arguments, **options)
    return tensors[id(built.output)]


def _add(name: str, operation: Any, one: Any, other: Any) -> Any:
    import keras

    if isinstance(other, float):
        return keras.layers.Rescaling(1.0, offset=other, name=name)(one)
    return keras.layers.Add(name=name)([one, other])


def _multiply(name: str, operation: Any, one: Any, factor: float) -> Any:
    import keras

    return keras.layers.Rescaling(factor, name=name)(one)


def _scaled_residual(name: str, operation: Any, pair: list[Any]) -> Any:
    import keras

    shortcut, residual = pair
    scaled = keras.layers.Rescaling(operation.scale, name=f"{name}_rescaling")(residual)
    return keras.layers.Add(name=name)([shortcut, scaled])


def _layer_scale(name: str, operation: Any, x: Any) -> Any:
    import keras

    # One factor a channel; eight times as fast as an EinsumDense layer.
    return keras.layers.DepthwiseConv2D(
        1,
        use_bias=False,
        depthwise_initializer=keras.initializers.Constant(operation.init_values),
        name=name,
    )(x)


PRIVATE_LAYERS: dict[str, Callable[..., Any]] = {
    "CustomScaleLayer": _scaled_residual,
    "LayerScale": _layer_scale,
}
OPERATORS: dict[str, Callable[..., Any]] = {"Add": _add, "Multiply": _multiply}
"""By class, what stands for it: a function of a name, the original, and the tensors that it is called on."""
