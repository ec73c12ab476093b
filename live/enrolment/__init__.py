"""Live enrolment: a person before the camera does what is asked, and so consents to an avatar.

    challenge ─► witness ─► verdict ─► a signed record of consent
    (what is     (whether it   (what that
     asked)       was done)     establishes, and what not)

Nothing of what the camera and the microphone bring is kept but the portrait: everything else is a
few seconds of numbers in memory, gone with the enrolment.
"""
