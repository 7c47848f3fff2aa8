import numpy as np
import pytest

from mmtrans.clips.account import ClipAccount, Counted, Reason
from mmtrans.clips.sound.recording import RecordedSound, RecordingError
from tests.clips.signals import SPEECH, noise, tone, write_wav

av = pytest.importorskip("av")


def decode(path):
    """The samples of a file, and the account of it."""
    account = ClipAccount()
    sound = RecordedSound(path, account)
    return np.concatenate(list(sound.blocks())), sound, account


def encode(path, codec, samples, rate=16000, layout="mono", **options):
    """Writes samples `(samples,)` by PyAV, and a picture with each second where `pictures` is given."""
    pictures = options.pop("pictures", 0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        video = container.add_stream("mpeg4", rate=1) if pictures else None
        if video:
            video.width, video.height, video.pix_fmt = 32, 16, "yuv420p"
        for number in range(pictures):
            frame = av.VideoFrame.from_ndarray(np.full((16, 32, 3), 40 * number, np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        if video:
            container.mux(video.encode(None))
        data = np.rint(np.clip(samples, -1, 1) * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout=layout)
        frame.rate = rate
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate, frame_size=stream.frame_size)
        for out in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(out))
        container.mux(stream.encode(None))
    return path


def level(samples):
    return 10 * np.log10(np.mean(np.square(samples)))


def frequency(samples):
    """Of a tone."""
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * 16000 / len(samples)


def test_a_wav_file_of_16_khz_comes_as_it_is(tmp_path):
    sound = noise(1.3)
    samples, recorded, account = decode(write_wav(tmp_path / "a.wav", sound))
    np.testing.assert_allclose(samples, sound, atol=1e-4)
    assert recorded.seconds == pytest.approx(1.3)
    assert recorded.known["codec"] == "pcm_s16le"
    assert account == ClipAccount()


@pytest.mark.parametrize("rate", [8000, 44100])
def test_other_rates_become_16_khz(tmp_path, rate):
    samples, recorded, _ = decode(write_wav(tmp_path / "a.wav", tone(440, 2.0, rate=rate), rate=rate))
    assert len(samples) == pytest.approx(32000, abs=20)
    assert frequency(samples[1000:-1000]) == pytest.approx(440, abs=1)
    assert level(samples[1000:-1000]) == pytest.approx(level(tone(440)), abs=0.1)
    assert recorded.known["rate_hz"] == rate


@pytest.mark.parametrize(
    ("ending", "codec"), [("mp3", "libmp3lame"), ("ogg", "libopus"), ("flac", "flac"), ("m4a", "aac")]
)
def test_other_formats_give_the_same_sound_whatever_their_ending(tmp_path, ending, codec):
    rate = 48000 if codec == "libopus" else 16000
    path = encode(tmp_path / f"a.{ending}", codec, tone(440, 2.0, rate=rate), rate)
    samples, recorded, account = decode(path.rename(tmp_path / "a.wav"))
    assert recorded.seconds == pytest.approx(2.0, abs=0.15)
    assert frequency(samples[4000:-4000]) == pytest.approx(440, abs=1)
    assert account == ClipAccount()


def test_the_sound_of_a_film_is_read(tmp_path):
    samples, recorded, account = decode(encode(tmp_path / "a.mp4", "aac", tone(440, 3.0), pictures=3))
    assert recorded.seconds == pytest.approx(3.0, abs=0.15)
    assert frequency(samples[4000:-4000]) == pytest.approx(440, abs=1)
    assert account == ClipAccount()


def test_a_dead_channel_does_not_make_the_other_weaker(tmp_path):
    alive, dead = tone(440), tone(440) * 1e-4
    samples, _, account = decode(write_wav(tmp_path / "a.wav", dead, alive))
    np.testing.assert_allclose(samples, alive, atol=1e-3)
    assert account.counts == {Counted.DEAD_CHANNELS: 1}
    samples, _, account = decode(write_wav(tmp_path / "b.wav", alive, alive / 2))
    np.testing.assert_allclose(samples, alive * 0.75, atol=1e-3)
    assert not account.counts


def test_silence_is_told(tmp_path):
    samples, _, account = decode(write_wav(tmp_path / "a.wav", np.zeros(8000), np.zeros(8000)))
    assert not samples.any()
    assert account.counts == {Counted.SILENT: 1}


def test_blocks_are_of_some_ten_seconds(tmp_path):
    recorded = RecordedSound(write_wav(tmp_path / "a.wav", noise(35.0)), ClipAccount())
    blocks = [len(block) for block in recorded.blocks()]
    assert sum(blocks) == 35 * 16000
    assert max(blocks) < 11 * 16000


def test_a_file_that_ends_before_it_should_gives_what_there_is(tmp_path):
    whole = encode(tmp_path / "a.flac", "flac", noise(3.0)).read_bytes()
    (tmp_path / "b.flac").write_bytes(whole[: len(whole) // 2])
    samples, _, account = decode(tmp_path / "b.flac")
    assert len(samples) == pytest.approx(1.5 * 16000, rel=0.2)
    assert account.counts[Counted.CUT_OFF] == 1


def test_a_gap_of_the_time_stamps_is_silence(tmp_path):
    path = tmp_path / "a.mka"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for number in range(20):
            data = np.full((1, 1600), 8000, np.int16)
            frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
            frame.rate = 16000
            # Two seconds are lost after the first, and a stamp is a day late after the second.
            frame.pts = 1600 * number + 32000 * (number >= 10) + 16000 * 86400 * (number == 19)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    samples, _, account = decode(path)
    assert len(samples) == pytest.approx(4 * 16000, abs=40)
    assert np.abs(samples[17_000:47_000]).max() < 1e-3
    assert samples[50_000] == pytest.approx(8000 / 32768, abs=0.01)
    assert account.counts[Counted.FILLED_SECONDS] == pytest.approx(2.0, abs=0.01)
    assert account.counts[Counted.BROKEN_STAMPS] == 1


def test_damage_inside_is_passed_over(tmp_path):
    path = encode(tmp_path / "a.mp3", "libmp3lame", noise(4.0))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 800] = bytes(np.random.default_rng(0).integers(0, 256, 800, np.uint8))
    path.write_bytes(data)
    samples, _, _ = decode(path)
    assert 3.0 < len(samples) / 16000 < 5.0


def failure(path):
    with pytest.raises(RecordingError) as caught:
        list(RecordedSound(path, ClipAccount()).blocks())
    return caught.value.reason


def test_what_cannot_be_opened_is_told(tmp_path):
    speech = (SPEECH / "bored.ogg").read_bytes()
    (tmp_path / "bored.ogg").write_bytes(speech)
    texts = {
        "text.wav": "hello",
        "empty.wav": "",
        "list.m3u8": "#EXTM3U\n#EXTINF:3,\nbored.ogg\n#EXT-X-ENDLIST\n",
        "list.mp3": "#EXTM3U\n#EXTINF:3,\nbored.ogg\n#EXT-X-ENDLIST\n",
        "list.wav": "ffconcat version 1.0\nfile bored.ogg\n",
        "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert failure(tmp_path / name) == Reason.NOT_MEDIA, name
    assert len(decode(tmp_path / "bored.ogg")[0]) > 4 * 16000


def test_a_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a.wav", "pipe:0", "http:x.wav"):
        path = write_wav(tmp_path / name, noise(0.5))
        assert len(decode(path.relative_to(tmp_path))[0]) == 8000


def test_a_film_without_sound_has_none(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        video = container.add_stream("mpeg4", rate=1)
        video.width, video.height, video.pix_fmt = 32, 16, "yuv420p"
        for _ in range(2):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((16, 32, 3), np.uint8), format="rgb24")))
        container.mux(video.encode(None))
    assert failure(tmp_path / "a.mp4") == Reason.NO_SOUND


def test_a_film_that_is_cut_off_before_its_index_cannot_be_opened(tmp_path):
    path = encode(tmp_path / "a.mp4", "aac", noise(3.0))
    path.write_bytes(path.read_bytes()[:5000])
    assert failure(path) == Reason.NOT_MEDIA


def test_a_file_without_a_sample_has_nothing(tmp_path):
    assert failure(write_wav(tmp_path / "a.wav", np.zeros(0))) in (Reason.NOTHING_DECODED, Reason.NOT_MEDIA)
