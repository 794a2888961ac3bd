"""What a competent person would try in an hour, without learning representations.

Each is a function, or a small class that is fitted on training data, whose predictions have the shape of what they are
compared with. An evaluation names those that it needs in its `baselines`; the strongest is the floor.
"""
