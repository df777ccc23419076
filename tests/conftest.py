"""Settings for all tests: how many examples Hypothesis tries."""

from hypothesis import HealthCheck, settings

# pytest --hypothesis-profile=thorough is for CI and for changes to how times are read.
# A machine that is busy with other things is no failure of a test.
SLOW = [HealthCheck.too_slow]
settings.register_profile("quick", max_examples=150, deadline=None, suppress_health_check=SLOW)
settings.register_profile("thorough", max_examples=1_500, deadline=None, suppress_health_check=SLOW)
settings.load_profile("quick")
