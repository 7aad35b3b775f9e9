"""Makes classifiers of a few photos: a pretrained network tells their features, and a small head learns the classes."""
