"""Images: preprocessing, folders of them, their labels, and what is refused."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgec.compiler.samples import ImagePreprocess, open_samples
from edgec.errors import ContractError, MissingExtraError, OptionError, SamplesError
from edgec.runtimes.base import TensorInfo

X = TensorInfo(name="x", dtype=np.dtype(np.float32), shape=(1, 3, 8, 8))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = Path("img")
    made.mkdir()
    return made


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def read(folder: Path, info: TensorInfo = X, **preprocess: object) -> list[np.ndarray]:
    samples = open_samples(folder, [info], role="calibration", preprocess={"x": ImagePreprocess(**preprocess)})
    return [sample.feeds["x"] for sample in samples]


def shaped(*shape: int, dtype: str = "float32") -> TensorInfo:
    return TensorInfo(name="x", dtype=np.dtype(dtype), shape=shape)


def test_scale_mean_and_std(folder: Path) -> None:
    pixels = noise(8, 8)
    Image.fromarray(pixels).save(folder / "a.png")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    (feed,) = read(folder, mean=mean, std=std)
    expected = ((pixels / 255 - mean) / std).transpose(2, 0, 1)[np.newaxis]
    np.testing.assert_allclose(feed, expected, rtol=1e-6)
    assert feed.dtype == np.float32


def test_channels_and_layout(folder: Path) -> None:
    pixels = noise(8, 8)
    Image.fromarray(pixels).save(folder / "a.png")
    raw = {"scale": 1, "dtype": "uint8"}
    (feed,) = read(folder, shaped(1, 8, 8, 3, dtype="uint8"), layout="nhwc", **raw)
    np.testing.assert_array_equal(feed[0], pixels)
    (feed,) = read(folder, shaped(1, 3, 8, 8, dtype="uint8"), channels="bgr", **raw)
    np.testing.assert_array_equal(feed[0], pixels[..., ::-1].transpose(2, 0, 1))
    (feed,) = read(folder, shaped(1, 1, 8, 8, dtype="uint8"), channels="gray", **raw)
    luma = pixels @ [0.299, 0.587, 0.114]
    assert np.abs(feed[0, 0] - luma).max() <= 1
    (feed,) = read(folder, scale=1, channels="bgr", mean=(104, 117, 123))
    np.testing.assert_array_equal(feed[0], (pixels[..., ::-1] - np.float32([104, 117, 123])).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("size", "resize", "crop", "expected"),
    [
        ((10, 20), 8, None, (8, 16)),
        ((20, 10), 8, None, (16, 8)),
        ((9, 16), 8, None, (8, 14)),  # int(8 * 16 / 9)
        ((10, 20), [8, 9], None, (8, 9)),
        ((10, 20), None, 8, (8, 8)),
        ((10, 20), None, [4, 6], (4, 6)),
        ((10, 20), 16, [10, 8], (10, 8)),
    ],
)
def test_resize_and_crop(folder: Path, size, resize, crop, expected) -> None:
    Image.fromarray(noise(*size)).save(folder / "a.png")
    (feed,) = read(folder, shaped(1, 3, *expected), resize=resize, crop=crop)
    assert feed.shape == (1, 3, *expected)


def test_the_crop_is_in_the_middle(folder: Path) -> None:
    pixels = noise(10, 14)
    Image.fromarray(pixels).save(folder / "a.png")
    (feed,) = read(folder, shaped(1, 4, 6, 3, dtype="uint8"), crop=(4, 6), layout="nhwc", scale=1, dtype="uint8")
    np.testing.assert_array_equal(feed[0], pixels[3:7, 4:10])


def test_resizing_is_pillows(folder: Path) -> None:
    image = Image.fromarray(noise(31, 17))
    image.save(folder / "a.png")
    for name in ("nearest", "bilinear", "bicubic", "lanczos", "box"):
        (feed,) = read(folder, shaped(1, 8, 8, 3), resize=(8, 8), interpolation=name, layout="nhwc", scale=1)
        np.testing.assert_array_equal(feed[0], image.resize((8, 8), Image.Resampling[name.upper()]))


def test_formats_modes_and_subfolders(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / ".thumbnails").mkdir()
    (folder / ".thumbnails" / "x.png").write_bytes(b"")
    image = Image.fromarray(noise(8, 8))
    image.save(folder / "b.jpg")
    image.save(folder / "c.bmp")
    image.save(folder / "sub" / "d.webp", lossless=True)
    image.convert("L").save(folder / "e.png")
    image.convert("P").save(folder / "f.png", transparency=bytes(256))
    image.convert("RGBA").save(folder / "g.PNG")
    image.convert("CMYK").save(folder / "h.jpeg")
    (folder / "labels.csv").write_text(
        "file,label\nb.jpg,0\nc.bmp,1\ne.png,2\nf.png,3\ng.PNG,4\nh.jpeg,5\nsub/d.webp,6\n"
    )
    samples = open_samples(folder, [X], role="evaluation", preprocess={"x": ImagePreprocess()})
    assert [sample.label.item() for sample in samples] == list(range(7))
    assert [sample.id for sample in samples][-1] == "img/sub/d.webp"
    feeds = {sample.id: sample.feeds["x"] for sample in samples}
    np.testing.assert_array_equal(feeds["img/c.bmp"], feeds["img/sub/d.webp"])


def test_exif_orientation_is_not_applied(folder: Path) -> None:
    pixels = noise(8, 8)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90°
    Image.fromarray(pixels).save(folder / "a.png", exif=exif)
    (feed,) = read(folder, shaped(1, 8, 8, 3, dtype="uint8"), layout="nhwc", scale=1, dtype="uint8")
    np.testing.assert_array_equal(feed[0], pixels)


def test_a_corrupt_image(folder: Path) -> None:
    Image.fromarray(noise(64, 64)).save(folder / "a.png")
    Image.fromarray(noise(64, 64)).save(folder / "b.jpg")
    (folder / "b.jpg").write_bytes((folder / "b.jpg").read_bytes()[:700])
    (folder / "c.jpg").write_bytes(b"no image")
    samples = iter(open_samples(folder, [X], role="calibration", preprocess={"x": ImagePreprocess(resize=(8, 8))}))
    next(samples)
    with pytest.raises(SamplesError) as error:
        next(samples)
    assert str(error.value).startswith("img/b.jpg: cannot be read as an image: image file is truncated")
    (folder / "b.jpg").unlink()
    with pytest.raises(SamplesError) as error:
        read(folder, resize=(8, 8))
    message = "cannot identify image file " + repr(str(Path("img/c.jpg")))
    assert str(error.value) == f"img/c.jpg: cannot be read as an image: {message}. Remove or mend the file."


def test_an_image_smaller_than_the_crop(folder: Path) -> None:
    Image.fromarray(noise(8, 20)).save(folder / "a.png")
    with pytest.raises(SamplesError) as error:
        read(folder, crop=(8, 24))
    assert str(error.value) == "img/a.png: is 8×20 after resizing, the crop is 8×24. Resize to at least the crop."


def test_more_than_8_bits(folder: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(folder / "a.png")
    with pytest.raises(SamplesError) as error:
        read(folder)
    assert str(error.value) == "img/a.png: has more than 8 bits per channel. Save it with 8, or give an .npz."


@pytest.mark.parametrize(
    ("info", "lines"),
    [
        (
            shaped(1, 3, 8, 12),
            '[inputs.x]\nresize = [8, 12]\nlayout = "nchw"\nchannels = "rgb"\n'
            'scale = "1/255"\nmean = [0, 0, 0]\nstd = [1, 1, 1]',
        ),
        (
            shaped(1, 8, 12, 1),
            '[inputs.x]\nresize = [8, 12]\nlayout = "nhwc"\nchannels = "gray"\nscale = "1/255"\nmean = [0]\nstd = [1]',
        ),
        (
            TensorInfo(name="a/b:0", dtype=np.dtype(np.uint8), shape=(None, "H", "W", 3)),
            '[inputs."a/b:0"]\nlayout = "nhwc"\nchannels = "rgb"\nscale = 1\ndtype = "uint8"',
        ),
    ],
)
def test_without_preprocessing_the_lines_to_add_are_shown(folder: Path, info: TensorInfo, lines: str) -> None:
    import tomllib

    Image.fromarray(noise(8, 8)).save(folder / "a.png")
    with pytest.raises(SamplesError) as error:
        open_samples(folder, [info], role="calibration")
    assert str(error.value).rstrip(".") == (
        f"img: nothing says how an image becomes the input {info.name!r}. "
        f"Add to edgec.toml, with the values the model was trained with:\n{lines}"
    )
    ((name, table),) = tomllib.loads(lines)["inputs"].items()
    assert name == info.name
    ImagePreprocess.from_table(table, "inputs")  # what is suggested is accepted


def test_a_folder_of_images_feeds_one_input(folder: Path) -> None:
    Image.fromarray(noise(8, 8)).save(folder / "a.png")
    inputs = [X, TensorInfo(name="y", dtype=np.dtype(np.float32), shape=(1, 2))]
    with pytest.raises(SamplesError) as error:
        open_samples(folder, inputs, role="calibration", preprocess={"x": ImagePreprocess()})
    assert str(error.value) == (
        "img: a folder of images feeds one input, the model has 2: 'x', 'y'. "
        "Give an .npz, or a folder with an .npz for each sample."
    )


def test_preprocessing_of_an_unknown_input(folder: Path) -> None:
    with pytest.raises(SamplesError) as error:
        open_samples(folder, [X], role="calibration", preprocess={"X1": ImagePreprocess()})
    assert str(error.value) == "inputs.X1: is not an input of the model. The model's inputs are 'x'."


def test_without_pillow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(noise(8, 8)).save(folder / "a.png")
    found = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.split(".")[0] == "PIL":
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError) as error:
        read(folder)
    assert str(error.value) == (
        "img: needs the package 'pillow', which is not installed. Install it with: pip install \"edgec[images]\""
    )


TRAINED = "Preprocess as the model was trained."


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"layout": "nhcw"}, f"layout: 'nhcw' is not one of nchw, nhwc, did you mean 'nhwc'? {TRAINED}"),
        ({"channels": "rgba"}, f"channels: 'rgba' is not one of rgb, bgr, gray, did you mean 'rgb'? {TRAINED}"),
        ({"resize": 0}, f"resize: 0 is neither a number of pixels nor a height and a width. {TRAINED}"),
        ({"crop": [1, 2, 3]}, f"crop: (1, 2, 3) is neither a number of pixels nor a height and a width. {TRAINED}"),
        ({"mean": [1, 2]}, f"mean: has 2 values, rgb has 3 channels. {TRAINED}"),
        ({"std": [1, 1, 1], "channels": "gray"}, f"std: has 3 values, gray has 1 channels. {TRAINED}"),
        ({"std": 0}, f"std: is zero, and divides. {TRAINED}"),
        ({"mean": "none"}, f"mean: 'none' is not a list of numbers. {TRAINED}"),
        ({"scale": "1/0"}, f"scale: '1/0' is not a number other than zero. {TRAINED}"),
        (
            {"dtype": "uint8"},
            f"dtype: uint8 keeps the pixels as they are: it needs scale = 1, no mean and no std. {TRAINED}",
        ),
    ],
)
def test_values_that_cannot_be(values: dict[str, object], problem: str) -> None:
    with pytest.raises(OptionError) as error:
        ImagePreprocess(**values)
    assert str(error.value) == f"preprocess.{problem}"
    with pytest.raises(ContractError) as error:
        ImagePreprocess.from_table(values, "inputs.x")
    assert str(error.value) == f"inputs.x.{problem}"


def test_from_table() -> None:
    table = {"resize": 256, "crop": [224, 224], "scale": "1/127.5", "mean": 1}
    assert ImagePreprocess.from_table(table, "inputs.x") == ImagePreprocess(
        resize=256, crop=(224, 224), scale=1 / 127.5, mean=(1,)
    )
    assert hash(ImagePreprocess(mean=[1, 2, 3])) == hash(ImagePreprocess(mean=(1, 2, 3)))
    with pytest.raises(ContractError) as error:
        ImagePreprocess.from_table({"layuot": "nchw"}, "inputs.x")
    assert str(error.value) == (
        "inputs.x.layuot: unknown key, did you mean 'layout'? "
        "The keys are resize, crop, layout, channels, scale, mean, std, dtype, interpolation."
    )
