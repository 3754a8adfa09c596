from .models import load as load
