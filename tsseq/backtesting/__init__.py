"""Did the forecasts hold, and would they have made money?"""
