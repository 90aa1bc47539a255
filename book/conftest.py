"""What nbval does not compare: pictures are made at the build, and stderr is TensorFlow talking to itself."""


def pytest_collectstart(collector):
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("image/svg+xml", "stderr")
