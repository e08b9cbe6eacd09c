"""A small corpus of customer messages on four topics, for the sample model `text-topics`.

The training messages are synthetic: every template of a topic is filled with words of that topic,
in a fixed random order. The messages for the test were written by hand and share no template with
them.
"""

import random

SLOTS = {
    "card": ["card", "credit card", "debit card", "bank account", "payment method"],
    "sum": ["amount", "total", "fee", "charge", "sum", "price"],
    "month": ["January", "March", "this month", "last month", "the past quarter"],
    "parcel": ["parcel", "package", "order", "box", "delivery", "shipment"],
    "place": [
        "the warehouse",
        "the depot",
        "customs",
        "a neighbour",
        "the wrong street",
        "my office",
    ],
    "days": ["two days", "a week", "ten days", "three weeks", "a month"],
    "program": ["app", "program", "website", "page", "update", "screen"],
    "fault": ["crashes", "freezes", "shows an error", "stays blank", "is very slow", "hangs"],
    "device": ["phone", "laptop", "tablet", "browser", "new computer"],
    "secret": ["password", "user name", "login", "e-mail address", "security code"],
    "polite": ["Hello,", "Good morning,", "Hi there,", "", "", "Dear team,", "Please help:"],
    "close": ["Thank you.", "Thanks!", "", "", "Best regards", "What can I do?", "Please advise."],
}

TEMPLATES = {
    "billing": [
        "I was charged twice on my {card} in {month}.",
        "The {sum} on the invoice for {month} is wrong.",
        "Please refund the {sum} to my {card}.",
        "Why is the {sum} higher than in {month}?",
        "My {card} was declined although there is money on it.",
        "I need an invoice with tax number for {month}.",
        "Can I pay the {sum} in instalments?",
        "You still bill me after I cancelled the subscription in {month}.",
        "The discount is missing from the {sum} of my receipt.",
        "Which payment did you book on my {card}?",
    ],
    "shipping": [
        "My {parcel} has not arrived after {days}.",
        "The tracking says that the {parcel} is at {place}.",
        "The courier left the {parcel} at {place}.",
        "The {parcel} came damaged and wet.",
        "How long does shipping to another country take, {days}?",
        "Can you send the {parcel} to {place} instead?",
        "One item is missing from the {parcel}.",
        "The driver did not ring and took the {parcel} back to {place}.",
        "When will my {parcel} leave {place}?",
        "I want to return the {parcel}, which label do I print?",
    ],
    "technical": [
        "The {program} {fault} on my {device}.",
        "Since the last version the {program} {fault}.",
        "I cannot install the {program} on my {device}.",
        "Every time I open the {program} it {fault}.",
        "The button for saving does nothing in the {program}.",
        "Printing from the {program} on my {device} fails with code 500.",
        "The {program} {fault} when the network connection drops.",
        "Videos and pictures do not load in the {program}.",
        "The battery of my {device} drains quickly with the new {program}.",
        "Is there a bug in the {program}? It {fault} on my {device}.",
    ],
    "account": [
        "I forgot my {secret} and cannot sign in.",
        "How do I change the {secret} of my profile?",
        "Please delete my account and all personal data.",
        "The mail to reset my {secret} never comes.",
        "My account is locked after too many attempts.",
        "Somebody else uses my {secret}, please block the profile.",
        "I registered twice, can you merge both profiles?",
        "Which {secret} did I register with?",
        "The code for two-step verification is not accepted as {secret}.",
        "Can my colleague get access to our company profile with a new {secret}?",
    ],
}

HELD_OUT = {
    "billing": [
        "There is a payment of 49 euros on my statement that I do not recognise.",
        "I would like my money back, the refund is overdue.",
        "Could you correct the invoice? The tax is wrong.",
        "The subscription got more expensive without notice.",
        "My bank says you tried to charge the card three times!",
        "Do you accept payment by bank transfer?",
    ],
    "shipping": [
        "Where is my package? It should have been here on Monday.",
        "The box was open and half of the items were missing.",
        "Please deliver to my neighbour if I am not at home.",
        "Tracking has not moved for a week.",
        "I moved house, can the order be sent to the new street?",
        "The courier never came although I waited all day.",
    ],
    "technical": [
        "After the update nothing works, only a blank screen.",
        "Your website does not load in my browser.",
        "I get an error when I try to install the new version on my laptop.",
        "Uploading pictures makes the app crash.",
        "Pages are terribly slow since yesterday.",
        "The program hangs while saving and the computer must be restarted.",
    ],
    "account": [
        "I can't log in any more, it says the password is wrong.",
        "Please remove my profile and my data from your system.",
        "How can I update the e-mail address I registered with?",
        "My login is blocked, who can unlock it?",
        "I did not get the mail for the new password.",
        "Is it possible to have two users on one account?",
    ],
}


def training_messages(per_template=12, seed=0):
    """(texts, topics): every template filled `per_template` times."""
    choose = random.Random(seed)
    pairs = []
    for topic, templates in TEMPLATES.items():
        for template in templates:
            for _ in range(per_template):
                words = {name: choose.choice(options) for name, options in SLOTS.items()}
                text = f"{words['polite']} {template.format(**words)} {words['close']}"
                pairs.append((text.strip(), topic))
    choose.shuffle(pairs)
    return [text for text, _ in pairs], [topic for _, topic in pairs]


def held_out_messages():
    """(texts, topics) of the messages written by hand."""
    pairs = [(text, topic) for topic, texts in HELD_OUT.items() for text in texts]
    return [text for text, _ in pairs], [topic for _, topic in pairs]
