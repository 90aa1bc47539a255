"""What nbval does not compare: pictures, made at the build, and stderr."""


def pytest_collectstart(collector):
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("image/svg+xml", "stderr")
